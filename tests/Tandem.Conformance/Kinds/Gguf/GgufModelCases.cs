using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>
/// Whole GGUF files: logits of a prompt, a greedy path, ids of texts. With f32 rows, against the reference's numbers; with rows in 8 bits, against the error that llama.cpp has there.
/// </summary>
internal static class GgufModelCases
{
    private const string Ending = ".gguf", Expectation = ".expect.safetensors", Tokens = ".tokens.json", List = "models.json";
    private const double ExactTolerance = 1e-4, RowsTolerance = 1.5, GreedyMargin = 4;

    // A file whose weights are floats gives the same with either kind of rows; llama.cpp's own error there is that of f16 rows.
    private const double LeastRowsError = 2e-3;

    /// <summary>Whether a folder holds such cases.</summary>
    public static bool Has(CaseFolder folder) => folder.Files.Any(f => f.EndsWith(Expectation, StringComparison.Ordinal));

    /// <summary>Runs the cases of a folder.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        folder.Claim(List);
        foreach (string file in folder.Files.Where(f => f.EndsWith(Expectation, StringComparison.Ordinal)))
        {
            string name = file[..^Expectation.Length];
            folder.Claim(file);
            folder.Claim(name + Ending);
            folder.Claim(name.Split('.')[0] + ".config.json");
            context.Report.Case($"{folder.Name}/{name}{Ending}", checks => Compare(checks, folder, name, context));
        }

        RunTokens(folder, context);
    }

    // NAME.tokens.json has texts with their ids; the vocabulary is that of any file of the name.
    private static void RunTokens(CaseFolder folder, RunContext context)
    {
        foreach (string file in folder.Files.Where(f => f.EndsWith(Tokens, StringComparison.Ordinal)))
        {
            folder.Claim(file);
            context.Report.Case($"{folder.Name}/{file}", checks =>
            {
                string model = folder.Files.First(f => f.EndsWith(Ending, StringComparison.Ordinal) && f.StartsWith(file[..^Tokens.Length] + ".", StringComparison.Ordinal));
                WithFile(folder, model, path =>
                {
                    Tokenizer tokenizer = TokenizerFiles.Load(path);
                    checks.Rows("text", [.. folder.Json(file).GetProperty("cases").EnumerateArray()], row => Checks.FirstDifference(Ids(row, "llama_cpp_ids"), tokenizer.Encode(row.GetProperty("text").GetString()!)));
                });
            });
        }
    }

    private static int[] Ids(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(i => i.GetInt32())];

    private static void WithFile(CaseFolder folder, string file, Action<string> run)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("tandem-conformance-");
        try
        {
            folder.CopyTo(directory.FullName, [file]);
            run(Path.Combine(directory.FullName, file));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Compare(Checks checks, CaseFolder folder, string name, RunContext context)
    {
        GoldenTensors golden = folder.Tensors(name + Expectation);
        JsonElement? entry = folder.CanRead(List) && folder.Json(List).TryGetProperty(name + Ending, out JsonElement found) ? found : null;
        int[] prompt = [.. golden.Longs("prompt").Select(id => (int)id)];
        WithFile(folder, name + Ending, path =>
        {
            using Model model = Load(path);
            float[] expected = golden.Floats("logits");
            double deviation = Deviation(expected), allowed = ExactTolerance * deviation;
            using (var exact = new LogitsRunner(model, context.Team, prompt.Length + 16, 1))
            {
                checks.MaxAbsolute("logits", expected, exact.Run([prompt])[0], allowed);
                if (entry != null) CompareGreedy(checks, "greedy", entry.Value, exact, prompt, GreedyMargin * allowed);
            }

            checks.Headline = "logits";
            if (entry is not { } reference || !reference.TryGetProperty("llama_cpp", out JsonElement other)) return;
            using var rows = new LogitsRunner(model, context.Team, prompt.Length + 16, 1, quantizeRows: true);
            float[] actual = rows.Run([prompt])[0];
            double error = Math.Sqrt(expected.Zip(actual, (e, a) => ((double)e - a) * ((double)e - a)).Average()) / deviation;
            double theirs = other.GetProperty("rms_diff_over_logit_std").GetDouble();
            checks.Within("rows in 8 bits, rms", error, Math.Max(LeastRowsError, RowsTolerance * theirs));
        });
    }

    // Teacher-forced: a token is compared only where the reference's choice is clear.
    private static void CompareGreedy(Checks checks, string what, JsonElement entry, LogitsRunner runner, int[] prompt, double margin)
    {
        int[] tokens = Ids(entry, "greedy_16");
        double[] margins = [.. entry.GetProperty("greedy_margin").EnumerateArray().Select(m => m.GetDouble())];
        float[] logits = runner.Run([[.. prompt, .. tokens[..^1]]])[0];
        int width = logits.Length / (prompt.Length + tokens.Length - 1);
        for (int i = 0; i < tokens.Length; i++)
        {
            if (margins[i] <= margin) continue;
            ReadOnlySpan<float> row = logits.AsSpan((prompt.Length - 1 + i) * width, width);
            int best = 0;
            for (int id = 1; id < width; id++)
                if (row[id] > row[best]) best = id;
            checks.Equal($"{what} token {i}", tokens[i], best);
        }
    }

    private static Model Load(string path)
    {
        try
        {
            return Model.Load(path, weightType: null);
        }
        catch (TandemException e) when (e.Message.Contains("not supported", StringComparison.Ordinal))
        {
            string message = e.Message;
            throw new UnsupportedException(message.Contains("mixtral", StringComparison.Ordinal) ? "mixtral" : message[..message.IndexOf(" is not supported", StringComparison.Ordinal)]);
        }
    }

    private static double Deviation(float[] values)
    {
        double mean = values.Average(v => (double)v);
        return Math.Sqrt(values.Average(v => (v - mean) * (v - mean)));
    }
}
