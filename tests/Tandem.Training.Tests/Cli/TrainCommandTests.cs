using System.Diagnostics;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>The built command in processes of its own: killed, interrupted, two at once, on a full disk.</summary>
public sealed class TrainCommandTests : IDisposable
{
    private readonly TestFolder _folder = new();

    [Fact]
    public void Killed_at_any_moment_it_goes_on_to_the_same_bits()
    {
        // Long enough to be hit in the middle, and saving so often that many kills hit a save.
        string[] steps = ["max_steps=300", "save_steps=3", "report.html=false"];
        (int code, string output) = Tandem(Arguments("whole", steps));
        Assert.True(code == 0, output);
        var random = new Random(7);
        int kills = 0;
        for (bool done = false; !done;)
        {
            using Process process = Start(Arguments("killed", steps));
            done = process.WaitForExit(700 + random.Next(900)) || kills == 12;
            if (!done)
            {
                process.Kill();
                kills++;
            }

            process.WaitForExit();
            if (done) Assert.Equal(0, process.ExitCode);
        }

        Assert.True(kills > 0);
        foreach (string file in (string[])["model.safetensors", "optimizer.safetensors"])
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder["whole"], "step-300", file)), File.ReadAllBytes(Path.Combine(_folder["killed"], "step-300", file)));
        Assert.Equal(Losses("whole"), Losses("killed"));
    }

    [Fact]
    public void Interrupted_it_finishes_the_step_saves_and_says_how_to_go_on()
    {
        using Process process = Start(Arguments("a", "max_steps=1000000", "save_steps=1000000"));
        while (!File.Exists(Path.Combine(_folder["a"], "metrics.jsonl")) || new FileInfo(Path.Combine(_folder["a"], "metrics.jsonl")).Length == 0) Thread.Sleep(20);
        (int second, string refused) = Tandem(Arguments("a"));
        Assert.Equal(1, second);
        Assert.Contains($"in use by process {process.Id}", refused, StringComparison.Ordinal);
        Process.Start("kill", $"{(IgnoresInterrupts() ? "-TERM" : "-INT")} {process.Id}").WaitForExit();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(130, process.ExitCode);
        long step = MetricsLog.ReadLines(Path.Combine(_folder["a"], "metrics.jsonl")).Last().GetProperty("step").GetInt64();
        Assert.Contains($"stopped after step {step}; saved {Path.Combine(_folder["a"], $"step-{step}")}; go on with: tandem train {_folder["a.json"]}", output, StringComparison.Ordinal);
        TrainerCheckpoint.Verify(Path.Combine(_folder["a"], $"step-{step}"));
        Assert.True(File.Exists(Path.Combine(_folder["a"], "report.html")));
    }

    [Fact]
    public void A_full_disk_in_the_middle_of_a_checkpoint_leaves_the_one_before()
    {
        if (OperatingSystem.IsWindows()) return;
        (int code, string output) = Tandem(Arguments("a", "max_steps=2"));
        Assert.True(code == 0, output);

        // A limit on the size of files fails as a full disk does: in the middle of a write. (The runtime must not map its own code from a file then.)
        string command = string.Join(' ', Arguments("a", "max_steps=8").Select(a => $"'{a}'"));
        (code, output) = Run("bash", ["-c", $"trap '' XFSZ; ulimit -f 40; export DOTNET_EnableWriteXorExecute=0; exec dotnet '{Binary}' {command}"]);
        Assert.Equal(1, code);
        Assert.Contains("error: cannot save checkpoint", output, StringComparison.Ordinal);
        Assert.Contains("safetensors", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        Assert.Equal(["step-2"], Directory.GetDirectories(_folder["a"], "step-*").Select(Path.GetFileName));
        (code, output) = Tandem(Arguments("a", "max_steps=8"));
        Assert.True(code == 0, output);
        Assert.Contains("going on after step 2", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Mistakes_are_one_message_and_exit_code_1()
    {
        (int code, string output) = Tandem(["train", _folder.Write("c.json", """{ "max_stepz": 3 }""")]);
        Assert.Equal(1, code);
        Assert.StartsWith("error: ", output, StringComparison.Ordinal);
        Assert.Contains("did you mean max_steps?", output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        (code, output) = Tandem(["train", "--schema"]);
        Assert.Equal((0, ConfigSchema.Write()), (code, output));
    }

    [Fact]
    public void A_store_is_built_inspected_and_trained_on()
    {
        (int code, string output) = Tandem(Arguments("a", "max_steps=1"));
        Assert.True(code == 0, output);
        string model = Path.Combine(_folder["a"], "step-1"), store = _folder["corpus.tokens"];
        (code, output) = Tandem(["data", "build", store, _folder["a.txt"], "--tokenizer", model]);
        Assert.True(code == 0, output);
        Assert.Contains("in 1 documents", output, StringComparison.Ordinal);
        (code, output) = Tandem(["data", "inspect", store, "--tokenizer", model, "--json"]);
        Assert.True(code == 0, output);
        using TokenStore opened = TokenStore.Open(store);
        using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(output);
        Assert.Equal(opened.NumTokens, json.RootElement.GetProperty("tokens").GetInt64());
        (code, output) = Tandem(Arguments("b", $$"""data={"stores": ["{{store}}"], "sequence_length": 32}""", $$"""tokenizer={"path": "{{model}}/tokenizer.json"}""", "max_steps=2", "samples.prompts=[\"The number\"]", "samples.max_tokens=5"));
        Assert.True(code == 0, output);
        Assert.Contains("sample: The number", output, StringComparison.Ordinal);
        (code, output) = Tandem(["data", "build", store, _folder["a.txt"], "--tokenizer", model]);
        Assert.Equal(1, code);
        Assert.Contains("is there already", output, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static string Binary => Path.Combine(AppContext.BaseDirectory, "tandem.dll");

    private string[] Arguments(string name, params string[] overrides)
    {
        _folder.Config(name);
        return ["train", _folder[name + ".json"], .. overrides.SelectMany(o => (string[])["--set", o])];
    }

    private double[] Losses(string name) => [.. MetricsLog.ReadLines(Path.Combine(_folder[name], "metrics.jsonl")).Select(l => l.GetProperty("loss").GetDouble())];

    private static (int Code, string Output) Tandem(string[] arguments) => Run("dotnet", [Binary, .. arguments]);

    private static (int Code, string Output) Run(string program, string[] arguments)
    {
        using Process process = StartProcess(program, arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    // What runs in the background of a script ignores SIGINT, and so do its children.
    private static bool IgnoresInterrupts()
    {
        if (!OperatingSystem.IsLinux()) return false;
        string line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("SigIgn:", StringComparison.Ordinal));
        return (Convert.ToUInt64(line["SigIgn:".Length..].Trim(), 16) & 2) != 0;
    }

    private static Process Start(string[] arguments) => StartProcess("dotnet", [Binary, .. arguments]);

    private static Process StartProcess(string program, string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
}
