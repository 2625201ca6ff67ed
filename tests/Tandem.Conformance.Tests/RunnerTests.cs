using System.Text.Json;
using Tandem.Models;
using Xunit;

namespace Tandem.Conformance.Tests;

/// <summary>What the runner says of folders whose right answers are known.</summary>
public sealed class RunnerTests : IDisposable
{
    private readonly CaseFiles _files = new();

    [Fact]
    public void A_right_golden_passes()
    {
        Report report = _files.AddActivation("training/ops", CaseFiles.Relu2).Run("training/ops");
        CaseResult result = Assert.Single(report.Results);
        Assert.Equal(("training/ops/square", Verdict.Passed), (result.Name, result.Verdict));
        Assert.Equal(["out.y", "grad.x"], result.Checks.Select(c => c.What));
        Assert.Equal("1 passed, 0 failed, 0 unsupported", report.Totals);
        Assert.Equal(0, report.ExitCode);
    }

    [Theory]
    [InlineData("out.y", "out.y: 0.333")]
    [InlineData("grad.x", "grad.x: 0.333")]
    public void A_wrong_golden_fails_and_says_where(string tensor, string wanted)
    {
        (string, float[])[] wrong = [.. CaseFiles.Relu2.Select(t => t.Name == tensor ? (t.Name, (float[])[t.Values[0], t.Values[1], t.Values[2] * 1.5f]) : t)];
        Report report = _files.AddActivation("training/ops", wrong).Run("training");
        CaseResult result = Assert.Single(report.Results);
        Assert.Equal(Verdict.Failed, result.Verdict);
        Assert.Contains(wanted, result.Detail, StringComparison.Ordinal);
        Assert.Equal(1, report.ExitCode);
    }

    [Fact]
    public void A_result_that_nobody_compares_fails()
    {
        Report report = _files.AddActivation("training/ops", [.. CaseFiles.Relu2, ("out.other", [1])]).Run("training");
        Assert.Contains("out.other: was not compared", Assert.Single(report.Results).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_file_is_read_or_fails()
    {
        Report report = _files.AddActivation("training/ops", CaseFiles.Relu2)
            .Add("training/ops/forgotten.safetensors", CaseFiles.Safetensors(CaseFiles.Relu2))
            .Add("training/ops/square.safetensors.gz", CaseFiles.Safetensors(CaseFiles.Relu2))
            .Add("training/README.md", "words").Add("training/gen/make.py", "pass")
            .Run("training");
        Assert.Equal(["training/ops/square"], report.Results.Where(r => r.Verdict == Verdict.Passed).Select(r => r.Name));
        Assert.Equal(
            ["training/ops/forgotten.safetensors", "training/ops/square.safetensors.gz"],
            report.Results.Where(r => r.Verdict == Verdict.Failed).Select(r => r.Name));
    }

    [Fact]
    public void Packed_files_are_read_like_plain_ones() =>
        Assert.Equal("1 passed, 0 failed, 0 unsupported", _files.AddActivation("training/ops", CaseFiles.Relu2, suffix: ".gz").Run("training/ops").Totals);

    [Fact]
    public void A_broken_file_fails_and_the_others_are_run()
    {
        Report report = _files.AddActivation("training/ops", CaseFiles.Relu2).AddActivation("training/other/ops", CaseFiles.Relu2)
            .Add("training/ops/square.safetensors", [1, 2, 3]).Add("training/packed/ops/index.json", "{").Run("training");
        Assert.Equal("1 passed, 2 failed, 0 unsupported", report.Totals);
        Assert.All(report.Results.Where(r => r.Verdict == Verdict.Failed), r => Assert.Contains("ops/", r.Detail, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"kind": "mish"}""", "activation: mish")]
    [InlineData("""{"kind": "relu2", "slope": 0.5}""", "activation: slope")]
    public void What_is_not_built_is_unsupported_by_name(string attributes, string feature)
    {
        Report report = _files.AddActivation("training/ops", CaseFiles.Relu2, attributes).Run("training");
        Assert.Equal((Verdict.Unsupported, feature), (report.Results[0].Verdict, report.Results[0].Detail));
        Assert.Equal("0 passed, 0 failed, 1 unsupported", report.Totals);
        Assert.Equal(0, report.ExitCode);
    }

    [Fact]
    public void Nothing_to_run_is_not_a_success()
    {
        Directory.CreateDirectory(_files["training"]);
        Report report = _files.Run("training");
        Assert.Equal(("0 passed, 0 failed, 0 unsupported", 1), (report.Totals, report.ExitCode));
        Assert.Throws<TandemException>(() => _files.Run("nowhere"));
    }

    [Theory]
    [InlineData("some/ops", "some", null)]
    [InlineData("training/further/ops", "training/further", null)]
    [InlineData("training/further/single", "training/further/single", null)]
    [InlineData("set/single", "set", "training")]
    [InlineData("a/training/x", "a", null)]
    public void The_kind_is_told_by_names_files_or_the_caller(string folder, string run, string? kind) =>
        Assert.Equal("1 passed, 0 failed, 0 unsupported", _files.AddActivation(folder, CaseFiles.Relu2).Run(run, kind: kind).Totals);

    [Fact]
    public void Without_a_kind_files_fail()
    {
        Report report = _files.AddActivation("set/single", CaseFiles.Relu2).Run("set");
        Assert.Equal("0 passed, 2 failed, 0 unsupported", report.Totals);
        Assert.All(report.Results, r => Assert.Contains("--kind", r.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public void Other_kinds_are_unsupported_file_by_file()
    {
        Report report = _files.Add("sampling/models/a.json", "x").Add("sampling/b.json.gz", "{}").Add("training_curves/README.md", "words").Run("");
        Assert.Equal(
            [("sampling/b.json", "sampling"), ("sampling/models/a.json", "sampling"), ("training_curves", "training_curves")],
            report.Results.Select(r => (r.Name, r.Detail)));
        Assert.Equal(3, report.Count(Verdict.Unsupported));
    }

    [Fact]
    public void Rows_on_visible_are_for_the_tokenizer_of_the_shared_goldens()
    {
        TokenizerJson.Save(new BpeTrainer().Train(257, ["<end>"]), Prepare("shared/tokenizers/bytes/tokenizer.json"));
        _files.Add("more/tokenizers/on_visible/bytes.cases.jsonl.gz", Row("a<end>", [65, 0], ["a", "<end>"]) + Row("!", [1], ["!"]))
            .Add("more/tokenizers/on_visible/unknown.cases.jsonl", Row("!", [1], ["!"]))
            .Add("more/tokenizers/on_visible/spm_models.x.cases.jsonl", "{}\n")
            .Add("more/tokenizers/on_visible/tiktoken.x.cases.jsonl", """{"text": "!", "ids_ordinary": [33], "ids_specials_allowed": [33], "token_bytes_hex": ["21"], "decoded": "!", "default_raises": false}""" + "\n")
            .Add("shared/tokenizers/tiktoken/x.json", """{"pattern": "\\S+", "special_tokens": {}}""")
            .Add("shared/tokenizers/tiktoken/x.tiktoken", string.Concat(Enumerable.Range(0, 256).Select(b => $"{Convert.ToBase64String([(byte)b])} {b}\n")));
        Report report = _files.Run("more", shared: "shared");
        Assert.Equal(
            [("bytes.cases.jsonl", Verdict.Passed), ("spm_models.x.cases.jsonl", Verdict.Failed), ("tiktoken.x.cases.jsonl", Verdict.Passed), ("unknown.cases.jsonl", Verdict.Failed)],
            report.Results.Select(r => (Path.GetFileName(r.Name), r.Verdict)).Order());
        Assert.Equal(Verdict.Failed, _files.Run("more/tokenizers/on_visible").Results.First(r => r.Name.Contains("bytes", StringComparison.Ordinal)).Verdict);
    }

    [Fact]
    public void A_wrong_row_fails_and_names_row_and_field()
    {
        TokenizerJson.Save(new BpeTrainer().Train(256, []), Prepare("tokenizers/bytes/tokenizer.json"));
        Report report = _files.Add("tokenizers/bytes/cases.jsonl", Row("!", [0], ["!"]) + Row("\"", [2], ["\""])).Run("tokenizers");
        CaseResult result = Assert.Single(report.Results);
        Assert.Equal(Verdict.Failed, result.Verdict);
        Assert.StartsWith("row 2: ids [0] is 1, wanted 2", result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Tokenizers_are_unsupported_by_what_the_loader_refuses()
    {
        Report report = _files.Add("tokenizers/words/tokenizer.json", """{"model": {"type": "Unheard", "vocab": {} }, "pre_tokenizer": null}""")
            .Add("tokenizers/words/cases.jsonl", Row("!", [0], ["!"])).Add("tokenizers/absent/stream.jsonl", "{}\n").Run("tokenizers");
        Assert.Equal(["not stored"], report.Results.Where(r => r.Name.Contains("absent", StringComparison.Ordinal)).Select(r => r.Detail));
        CaseResult words = report.Results.Single(r => r.Name.Contains("words", StringComparison.Ordinal));
        Assert.Equal(Verdict.Unsupported, words.Verdict);
        Assert.Contains("Unheard", words.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_model_types_are_unsupported_and_broken_models_fail()
    {
        const string golden = """{"prompts": [], "greedy": []}""";
        foreach ((string name, string type) in ((string, string)[])[("new", "novel"), ("broken", "llama")])
        {
            _files.Add($"models/{name}/config.json", $$"""{"model_type": "{{type}}"}""")
                .Add($"models/{name}/goldens.json", golden).Add($"models/{name}/goldens.safetensors", "");
        }

        Report report = _files.Run("models");
        Assert.Equal([("models/broken", Verdict.Failed), ("models/new", Verdict.Unsupported)], report.Results.Select(r => (r.Name, r.Verdict)));
        Assert.Equal("novel", report.Results[1].Detail);
    }

    [Fact]
    public void Malformed_safetensors_must_be_refused_for_the_right_reason()
    {
        const string cases = """
            [{"file": "good.safetensors", "expect": "accept"}, {"file": "short.safetensors", "expect": "truncated"},
             {"file": "wrong.safetensors", "expect": "overlap"}, {"file": "either.safetensors", "expect": "bad_header_or_accept"}]
            """;
        byte[] good = CaseFiles.Safetensors(CaseFiles.Relu2);
        const string folder = "gguf/malformed_safetensors";
        Report report = _files.Add($"{folder}/cases.json", cases).Add($"{folder}/good.safetensors", good).Add($"{folder}/short.safetensors", good[..5])
            .Add($"{folder}/wrong.safetensors", good[..5]).Add($"{folder}/either.safetensors", good).Run("gguf");
        Assert.Equal("3 passed, 1 failed, 0 unsupported", report.Totals);
        Assert.Equal("verdict: truncated, wanted overlap", report.Results.Single(r => r.Verdict == Verdict.Failed).Detail);
    }

    [Fact]
    public void A_case_of_the_index_that_is_not_there_fails()
    {
        Report report = _files.Add("models/index.json", """[{"case": "gone", "files": ["config.json"]}]""").Run("models");
        Assert.Contains("gone/config.json", Assert.Single(report.Results).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_holds_a_case_a_line()
    {
        var text = new StringWriter();
        var report = new Report(text, json: true);
        report.Case("a", checks => checks.Within("x", double.NaN, 1));
        report.Case("b", _ => throw new UnsupportedException("thing"));
        report.Finish();
        string[] lines = text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("failed", JsonDocument.Parse(lines[0]).RootElement.GetProperty("verdict").GetString());
        Assert.Equal("thing", JsonDocument.Parse(lines[1]).RootElement.GetProperty("detail").GetString());
        Assert.Equal("0 passed, 1 failed, 1 unsupported", lines[2].Trim());
    }

    public void Dispose() => _files.Dispose();

    private static string Row(string text, int[] ids, string[] tokens) => JsonSerializer.Serialize(new
    {
        text,
        add_special_tokens = false,
        split_special_tokens = false,
        ids,
        tokens,
        offsets = tokens.Select((t, i) => (int[])[tokens.Take(i).Sum(x => x.Length), tokens.Take(i + 1).Sum(x => x.Length)]),
        decoded = text,
        decoded_skip_special = text.Replace("<end>", "", StringComparison.Ordinal),
    }) + "\n";

    private string Prepare(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_files[path])!);
        return _files[path];
    }
}
