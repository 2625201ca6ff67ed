using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Recipes against llama.cpp's measured tables, and quantized files against the blocks they should hold.</summary>
public sealed unsafe class QuantizerTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("llama, 32 layers, 8 heads, 8 kv heads, untied output", 32, 8, 8, 0, false)]
    [InlineData("llama, 32 layers, 8 heads, 2 kv heads, untied output", 32, 8, 2, 0, false)]
    [InlineData("llama, 16 layers, 8 heads, 2 kv heads, tied embedding (no output.weight)", 16, 8, 2, 0, true)]
    [InlineData("llama MoE, 8 layers, 8 experts, 8 heads, 2 kv heads", 8, 8, 2, 8, false)]
    public void Recipes_give_the_measured_types(string shape, int layers, int heads, int kvHeads, int experts, bool tied)
    {
        var traits = new ModelTraits(layers, heads, kvHeads, experts, tied);
        int compared = 0;
        foreach (JsonProperty golden in Presets().GetProperty(shape).EnumerateObject().Where(p => !p.Value.TryGetProperty("error", out _)))
        {
            QuantizationRecipe recipe = QuantizationRecipe.Get(golden.Name);
            Assert.Equal(golden.Value.GetProperty("general.file_type").GetUInt32(), recipe.FileType);
            foreach (JsonProperty tensor in golden.Value.GetProperty("tensors").EnumerateObject())
            {
                bool isInBlock = tensor.Name.Split('.')[0] is not ("output" or "output_norm" or "token_embd"), isVector = tensor.Name.Contains("norm", StringComparison.Ordinal);
                for (int layer = 0; layer < (isInBlock ? layers : 1); layer++)
                {
                    string expected = tensor.Value.EnumerateObject().First(t => t.Value.ValueKind == JsonValueKind.String || t.Value.EnumerateArray().Any(l => l.GetInt32() == layer)).Name;
                    string name = isInBlock ? string.Create(CultureInfo.InvariantCulture, $"blk.{layer}.{tensor.Name}") : tensor.Name;
                    DType? actual = recipe.TypeOf(name, isVector ? new Shape(512) : new Shape(512, 512), traits);
                    Assert.Equal((golden.Name, name, expected), (golden.Name, name, (actual ?? DType.F32).Name().ToUpperInvariant()));
                    compared++;
                }
            }
        }

        Assert.True(compared > 1000, $"{compared}");
    }

    [Theory]
    [InlineData("llama256.F16.gguf", "Q4_0")]
    [InlineData("llama256.F16.gguf", "Q8_0")]
    [InlineData("llama256.F16.gguf", "Q4_K_M")]
    [InlineData("llama256.F16.gguf", "IQ4_XS")]
    [InlineData("llama64spm.F32.gguf", "IQ4_NL")]
    [InlineData("llama64spm.F32.gguf", "Q5_1")]
    public void Files_have_the_types_that_llama_cpp_gives_them(string source, string recipe)
    {
        string? folder = CheckpointFiles.Shared("gguf/models");
        Assert.SkipWhen(folder == null, "shared/goldens is not beside the repository");
        using GgufContent content = GgufContent.Open(Path.Combine(folder!, source));
        new Quantizer(content, QuantizationRecipe.Get(recipe)).Write(_files.At("q.gguf"), cancel: TestContext.Current.CancellationToken);
        using GgufFile expected = GgufFile.Open(Path.Combine(folder!, $"{source.Split('.')[0]}.{recipe}.gguf")), actual = GgufFile.Open(_files.At("q.gguf"));
        Assert.Equal(expected.Tensors.OrderBy(t => t.Name).Select(t => (t.Name, t.Type)), actual.Tensors.OrderBy(t => t.Name).Select(t => (t.Name, t.Type)));
        Assert.Equal(expected.Int(GgufMetadata.FileTypeKey), actual.Int(GgufMetadata.FileTypeKey));

        // These types have one right answer.
        foreach (GgufTensor tensor in expected.Tensors.Where(t => t.Type is DType.Q4_0 or DType.Q8_0 or DType.Q5_1 or DType.F32))
            Assert.True(new ReadOnlySpan<byte>(expected.Data(tensor), (int)tensor.Bytes).SequenceEqual(new ReadOnlySpan<byte>(actual.Data(actual.Find(tensor.Name)!), (int)tensor.Bytes)), tensor.Name);
    }

    [Fact]
    public void Errors_are_those_of_what_was_written()
    {
        float[] values = Values(40, 96);
        Write("m.gguf", ("a.weight", new Shape(40, 96), values));
        using GgufContent content = GgufContent.Open(_files.At("m.gguf"));
        var quantizer = new Quantizer(content, QuantizationRecipe.Get("Q4_K_M"));
        QuantizedTensor tensor = Assert.Single(quantizer.Tensors);

        // Rows of 96 are no blocks of 256.
        Assert.Equal((DType.Q5_0, null), (tensor.To, tensor.Error));
        quantizer.Write(_files.At("q.gguf"), cancel: TestContext.Current.CancellationToken);
        var blocks = new byte[DType.Q5_0.Bytes(values.Length)];
        Blocks.Encode(DType.Q5_0, values, [], blocks);
        var decoded = new float[values.Length];
        Blocks.Decode(DType.Q5_0, blocks, decoded);
        double error = values.Zip(decoded, (v, d) => ((double)v - d) * ((double)v - d)).Sum(), total = values.Sum(v => (double)v * v);
        Assert.Equal(Math.Sqrt(error / total), tensor.Error!.Value, 1e-12);
        using GgufFile file = GgufFile.Open(_files.At("q.gguf"));
        Assert.Equal(blocks, new ReadOnlySpan<byte>(file.Data(file.Tensors.First()), blocks.Length).ToArray());
    }

    [Fact]
    public void Overrides_and_importance_count()
    {
        Write("m.gguf", ("blk.0.ffn_up.weight", new Shape(8, 256), Values(8, 256)), ("blk.0.ffn_down.weight", new Shape(8, 256), Values(8, 256)));
        using GgufContent content = GgufContent.Open(_files.At("m.gguf"));
        QuantizationRecipe recipe = QuantizationRecipe.Get("q4_0");
        Assert.Equal([DType.Q8_0, DType.Q5_K], new Quantizer(content, recipe, [new("*", DType.Q8_0), new("*down*", DType.Q5_K)]).Tensors.Select(t => t.To));
        Assert.Contains("no tensor's name matches 'x*'", Assert.Throws<TandemException>(() => new Quantizer(content, recipe, [new("x*", DType.Q8_0)])).Message, StringComparison.Ordinal);

        QuantizationRecipe small = QuantizationRecipe.Get("IQ2_XXS");
        Assert.Contains("importance", Assert.Throws<TandemException>(() => new Quantizer(content, small)).Message, StringComparison.Ordinal);
        Dictionary<string, float[]> importance = content.Tensors.ToDictionary(t => t.Name, _ => Enumerable.Repeat(1f, 256).ToArray());
        new Quantizer(content, small, importance: importance).Write(_files.At("q.gguf"), cancel: TestContext.Current.CancellationToken);
        importance["blk.0.ffn_up.weight"] = [1, 2];
        Assert.Contains("2 columns; accepted: 256", Assert.Throws<TandemException>(() => new Quantizer(content, small, importance: importance)).Message, StringComparison.Ordinal);

        using GgufContent quantized = GgufContent.Open(_files.At("q.gguf"));
        Assert.Contains("quantized again", Assert.Throws<TandemException>(() => new Quantizer(quantized, recipe)).Message, StringComparison.Ordinal);
        Assert.Contains("did you mean Q4_K_", Assert.Throws<TandemException>(() => QuantizationRecipe.Get("q4_k_n")).Message, StringComparison.Ordinal);
    }

    private static JsonElement Presets()
    {
        using var stream = new GZipStream(File.OpenRead(CheckpointFiles.Golden("presets.json.gz")), CompressionMode.Decompress);
        return JsonDocument.Parse(stream).RootElement;
    }

    private static float[] Values(int rows, int columns)
    {
        var values = new float[rows * columns];
        Philox.Stream(7, "values").FillNormal(values);
        return values;
    }

    private void Write(string name, params (string Name, Shape Shape, float[] Values)[] tensors) => GgufWriter.Write(
        _files.At(name),
        [new("general.architecture", GgufValue.Of("some"))],
        [.. tensors.Select(t => new TensorSource(t.Name, DType.F32, t.Shape, (first, destination) => System.Runtime.InteropServices.MemoryMarshal.AsBytes(t.Values.AsSpan((int)first)).Slice(0, destination.Length).CopyTo(destination)))]);
}
