using System.IO.Compression;
using System.Text.Json;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Models;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>
/// Models in GGUF files against what transformers computes in float64 from the same weights: exactly with f32 rows, and with integer products no further off than
/// one and a half times what llama.cpp is.
/// </summary>
public sealed unsafe class QuantizedGoldenTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-quantized-").FullName;

    public static TheoryData<string> Names => ["llama256.IQ4_XS", "llama256.Q4_0", "llama256.Q4_K_M", "llama256.Q8_0", "llama64spm.IQ4_NL", "llama64spm.Q5_1", "qwen3_64.F32"];

    [Theory]
    [MemberData(nameof(Names))]
    public void With_f32_rows_logits_and_greedy_tokens_are_those_of_the_reference(string name)
    {
        (JsonElement golden, double rms, double largest) = Differences(name, quantizeRows: false, allowed: _ => 1e-4);
        Assert.InRange(rms, 0, largest);
        Assert.InRange(largest, 0, 1e-4 * golden.GetProperty("logits_std").GetDouble());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Integer_products_are_not_much_further_off_than_those_of_llama_cpp(string name)
    {
        (JsonElement golden, double rms, _) = Differences(name, quantizeRows: true, allowed: Bound);
        Assert.InRange(rms, 0, Bound(golden) * golden.GetProperty("logits_std").GetDouble());

        // The models without blocks have no integer products.
        static double Bound(JsonElement golden) => Math.Max(1e-5, 1.5 * golden.GetProperty("rms_difference_over_std").GetDouble());
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Also compares the greedy tokens where the reference's choice is clear: given the tokens before it, wherever the runner-up is four times the allowed error behind.
    private (JsonElement Golden, double Rms, double Largest) Differences(string name, bool quantizeRows, Func<JsonElement, double> allowed)
    {
        using JsonDocument goldens = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "goldens", "quantized", "models.json")));
        JsonElement golden = goldens.RootElement.GetProperty(name).Clone();
        using Model model = Model.Load(Unpacked(name + ".gguf"), weightType: null);
        using SafetensorsFile file = SafetensorsFile.Open(Unpacked(name + ".expect.safetensors"));
        float[] prompt = Floats(file["prompt"]), expected = Floats(file["logits"]);
        double[] greedy = Numbers(golden, "greedy"), margins = Numbers(golden, "greedy_margin");
        float[] logits = Logits(model, [.. prompt.Select(x => (int)x), .. greedy.Select(x => (int)x)], quantizeRows);
        int vocabulary = expected.Length / prompt.Length;
        double sum = 0, largest = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs((double)logits[i] - expected[i]);
            sum += difference * difference;
            largest = Math.Max(largest, difference);
        }

        double clear = 4 * allowed(golden) * golden.GetProperty("logits_std").GetDouble();
        for (int i = 0; i < greedy.Length; i++)
        {
            ReadOnlySpan<float> row = logits.AsSpan((prompt.Length - 1 + i) * vocabulary, vocabulary);
            if (margins[i] > clear) Assert.Equal((int)greedy[i], row.IndexOf(MaxOf(row)));
        }

        return (golden, Math.Sqrt(sum / expected.Length), largest);
    }

    private static float MaxOf(ReadOnlySpan<float> values)
    {
        float max = float.NegativeInfinity;
        foreach (float value in values) max = Math.Max(max, value);
        return max;
    }

    private static float[] Logits(Model model, int[] tokens, bool quantizeRows)
    {
        using var team = new ThreadTeam(2);
        using var batch = new Batch(64, 1, 4);
        ModelGraph graph = ModelGraphs.Serve(model.Config, new KvPlacement(DType.F32, 4), new GraphOptions { WeightType = model.WeightType, WeightTypes = model.WeightTypes, QuantizeRows = quantizeRows });
        using var instance = new CpuInstance(Plan.Compile(graph, new StepSizes(64, 64, 0, 1), CpuBackend.Instance, team.Workers), team, model.Bindings(batch));
        batch.Clear();
        batch.AddRows(tokens, 0, [0, 1, 2, 3]);
        for (int i = tokens.Length; i > 0; i--) batch.Sample(i);
        instance.Run(Stage.Forward, batch.View, batch.Sizes);
        return new ReadOnlySpan<float>((float*)instance.Output(ModelGraphs.Logits), tokens.Length * model.Config.VocabSize).ToArray();
    }

    private string Unpacked(string file)
    {
        string path = Path.Combine(_folder, file);
        using FileStream from = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "goldens", "quantized", file + ".gz")), to = File.Create(path);
        using var gzip = new GZipStream(from, CompressionMode.Decompress);
        gzip.CopyTo(to);
        return path;
    }

    private static float[] Floats(StoredTensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        if (tensor.Type == StoredType.I64)
        {
            for (int i = 0; i < values.Length; i++) values[i] = ((long*)tensor.Pointer)[i];
            return values;
        }

        fixed (float* to = values) tensor.CopyTo(DType.F32, to);
        return values;
    }

    private static double[] Numbers(JsonElement element, string property) => [.. element.GetProperty(property).EnumerateArray().Select(t => t.GetDouble())];
}
