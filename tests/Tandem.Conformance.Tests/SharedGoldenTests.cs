using System.IO.Compression;
using Xunit;

namespace Tandem.Conformance.Tests;

/// <summary>The shared goldens beside the checkout, through the code that the program runs.</summary>
public sealed class SharedGoldenTests
{
    [Theory]
    [InlineData("models")]
    [InlineData("training")]
    [InlineData("tokenizers")]
    [InlineData("templates")]
    [InlineData("gguf")]
    public void No_case_fails(string kind)
    {
        string shared = Shared();
        Report report = CaseFiles.RunFolder(Path.Combine(shared, kind), shared);
        Assert.Equal([], report.Results.Where(r => r.Verdict == Verdict.Failed).Select(r => $"{r.Name}: {r.Detail}"));
        Assert.True(report.Count(Verdict.Passed) > 0, report.Totals);
    }

    [Theory]
    [InlineData("models/llama_plain")]
    [InlineData("training/ops")]
    [InlineData("training/models/llama_tied")]
    [InlineData("training/models/llama_tied/../../optim")]
    [InlineData("tokenizers/bpe_gpt2")]
    [InlineData("tokenizers/training")]
    [InlineData("tokenizers/units")]
    [InlineData("templates/goldens")]
    [InlineData("templates/features")]
    [InlineData("gguf/blocks")]
    [InlineData("gguf/quantize")]
    [InlineData("gguf/malformed_gguf")]
    [InlineData("gguf/malformed_safetensors")]
    public void A_subfolder_by_itself_gives_the_same_cases(string folder)
    {
        string shared = Shared();
        Report report = CaseFiles.RunFolder(Path.Combine(shared, folder), shared);
        Assert.Equal(0, report.ExitCode);
        Assert.True(report.Count(Verdict.Passed) > 0, report.Totals);
        string name = Path.GetRelativePath(shared, Path.GetFullPath(Path.Combine(shared, folder)));
        Assert.All(report.Results, r => Assert.StartsWith(name, r.Name, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("models/qwen2", "further/models/other")]
    [InlineData("training/optim", "further/training/optim")]
    [InlineData("training/models/gpt2", "further/training/models/another")]
    [InlineData("training/precision", "set/numbers")]
    [InlineData("tokenizers/bpe_llama3_ignore_merges", "set/tokens")]
    [InlineData("gguf/quantize", "further/gguf/quantize")]
    [InlineData("gguf/malformed_gguf", "set/broken")]
    public void Packed_and_in_another_place_the_cases_are_the_same(string folder, string place)
    {
        string shared = Shared();
        using var files = new CaseFiles();
        Copy(Path.Combine(shared, folder), files, place, _ => true);
        Report plain = CaseFiles.RunFolder(Path.Combine(shared, folder), shared), packed = files.Run(place.Split('/')[0], kind: null);
        Assert.Equal(plain.Totals, packed.Totals);
        Assert.Equal(plain.Results.Select(r => r.Detail), packed.Results.Select(r => r.Detail));
        Assert.Equal(0, packed.ExitCode);
    }

    [Theory]
    [InlineData("models", "llama_plain", "goldens.")]
    [InlineData("training", "models/llama_untied", "")]
    public void What_is_missing_on_visible_comes_from_the_shared_goldens(string kind, string folder, string own)
    {
        string shared = Shared();
        using var files = new CaseFiles();
        Copy(Path.Combine(shared, kind, folder), files, $"further/{kind}/on_visible/{folder}", f => !f.Contains('/', StringComparison.Ordinal) && f.StartsWith(own, StringComparison.Ordinal));
        Report report = CaseFiles.RunFolder(files["further"], shared);
        Assert.Equal([], report.Results.Where(r => r.Verdict != Verdict.Passed).Select(r => $"{r.Name}: {r.Detail}"));
        Assert.Equal(1, files.Run("further").ExitCode);
    }

    [Fact]
    public void Templates_that_are_not_stored_come_from_the_folder_given()
    {
        string shared = Shared();
        using var files = new CaseFiles();
        files.Add("set/templates/conversations.jsonl", """{"id": "one", "messages": [{"role": "user", "content": "Hi"}]}""" + "\n");
        files.Add("set/templates/goldens/heldout_conversations/some.jsonl", """{"template": "jinja/some.jinja", "special_tokens": {}}""" + "\n" + """{"case": "one", "output": "<Hi>"}""" + "\n");
        files.Add("roots/some.jinja", "<{{ messages[0].content }}>");
        files.Add("set/templates/on_visible/google-gemma-2-2b-it.jsonl.gz", """{"special_tokens": {"bos_token": "<bos>"}}"""u8.ToArray().Concat("\n{\"case\": \"one\", \"output\": \"<bos><start_of_turn>user\\nHi<end_of_turn>\\n\"}\n"u8.ToArray()).ToArray());
        using var team = new Cpu.ThreadTeam(1);
        var report = new Report(TextWriter.Null);
        Runner.Run(files["set"], null, new RunContext(report, team, shared));
        Assert.Equal("1 passed, 0 failed, 1 unsupported", report.Totals);
        Assert.Equal("not stored", report.Results.Single(r => r.Verdict == Verdict.Unsupported).Detail);
        report = new Report(TextWriter.Null);
        Runner.Run(files["set"], null, new RunContext(report, team, shared, files["roots"]));
        Assert.Equal("2 passed, 0 failed, 0 unsupported", report.Totals);
    }

    private static void Copy(string from, CaseFiles files, string to, Func<string, bool> which)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(from, file);
            if (!which(relative)) continue;
            bool packed = relative.EndsWith(".gz", StringComparison.Ordinal);
            using var stream = packed ? new GZipStream(File.OpenRead(file), CompressionMode.Decompress) : (Stream)File.OpenRead(file);
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            files.Add($"{to}/{(packed ? relative[..^3] : relative)}.gz", bytes.ToArray());
        }
    }

    private static string Shared()
    {
        string? shared = Runner.FindShared();
        Assert.SkipWhen(shared is null, "shared/goldens is not beside the repository");
        return shared!;
    }
}
