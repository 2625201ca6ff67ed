using System.Text.Json;

namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>Encoders: types whose blocks are defined bit for bit, and errors of the others against those of another implementation.</summary>
internal static class QuantizerCases
{
    private const string Input = "input.safetensors", Bars = "bars.json", BarsInput = "bars_input.safetensors", Extension = ".safetensors";

    // How much larger an error may be than the other implementation's.
    private const double Margin = 1.01;

    /// <summary>Runs a folder of defined types: a case a file, all for the same input.</summary>
    public static void RunExact(CaseFolder folder, RunContext context)
    {
        folder.Claim(Input);
        foreach (string file in folder.Files.Where(f => f != Input && f.EndsWith(Extension, StringComparison.Ordinal)))
        {
            context.Report.Case($"{folder.Name}/{file}", checks =>
            {
                byte[] expected = folder.Tensors(file).Codes("raw"), actual = new byte[expected.Length];
                Blocks.Encode(BlockCases.TypeOf(file[..^Extension.Length]), folder.Tensors(Input).Floats("x"), [], actual);
                checks.Same("bytes", expected, actual);
            });
        }
    }

    /// <summary>Runs a case for each type of <c>bars.json</c>.</summary>
    public static void RunBars(CaseFolder folder, RunContext context) => context.Report.List($"{folder.Name}/{Bars}", () =>
    {
        GoldenTensors inputs = folder.Tensors(BarsInput);
        foreach (JsonProperty type in folder.Json(Bars).EnumerateObject())
        {
            context.Report.Case($"{folder.Name}/{Bars} {type.Name}", checks =>
            {
                foreach (JsonProperty input in type.Value.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Object))
                {
                    foreach (JsonProperty mode in input.Value.EnumerateObject().Where(p => p.Value.TryGetProperty("rel_rmse", out _)))
                        CheckBar(BlockCases.TypeOf(type.Name), $"{input.Name} {mode.Name}", inputs, input.Name, mode, checks);
                }
            });
        }
    });

    private static void CheckBar(DType type, string what, GoldenTensors inputs, string input, JsonProperty mode, Checks checks)
    {
        float[] values = inputs.Floats(input), importance = inputs.Floats("importance"), back = new float[values.Length];
        float[] given = mode.Name switch
        {
            "plain" => [],
            "importance" => importance,
            "uniform_importance" => [.. importance.Select(_ => 1f)],
            _ => throw new UnsupportedException($"quantizing with {mode.Name}"),
        };
        byte[] blocks = new byte[type.Bytes(values.Length)];
        Blocks.Encode(type, values, given, blocks);
        Blocks.Decode(type, blocks, back);
        double error = 0, square = 0, weightedError = 0, weightedSquare = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double difference = (double)values[i] - back[i], weight = importance[i % importance.Length];
            error += difference * difference;
            square += (double)values[i] * values[i];
            weightedError += weight * difference * difference;
            weightedSquare += weight * values[i] * values[i];
        }

        checks.Within($"{what} rel_rmse", Math.Sqrt(error / square), mode.Value.GetProperty("rel_rmse").GetDouble() * Margin);
        checks.Within($"{what} rel_weighted_rmse", Math.Sqrt(weightedError / weightedSquare), mode.Value.GetProperty("rel_weighted_rmse").GetDouble() * Margin);
    }
}
