using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Folders in the Hugging Face layout: reading, refusing, matching against a model, writing.</summary>
public sealed unsafe class HfDirectoryTests : IDisposable
{
    private const string Config = """{"model_type":"llama","vocab_size":8,"hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2}""";

    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void ReadsThePublishedLayoutWhole()
    {
        var models = CheckpointFiles.Shared("models");
        Assert.SkipWhen(models is null, "shared/goldens/models is not beside the repository");
        foreach (var folder in Directory.GetDirectories(models!).Where(x => File.Exists(Path.Combine(x, "config.json"))))
        {
            using var directory = HfDirectory.Open(folder);
            Assert.NotEmpty(directory.Tensors.All);
            var shapes = directory.Tensors.All.Select(x => new ExpectedTensor(x.Name, x.Shape)).ToList();
            Assert.Equal(directory.Tensors.All, directory.Tensors.Load(shapes));
        }

        using var sharded = HfDirectory.Open(Path.Combine(models!, "mixtral"));
        Assert.Equal((4, 47), (sharded.Files.Count(), sharded.Tensors.All.Count));
        using var llama = HfDirectory.Open(Path.Combine(models!, "llama_rope_llama3"));
        Assert.Equal(RopeKind.Llama3, llama.ReadConfig().Rope!.Kind);
        Assert.Equal([2], llama.ReadGenerationConfig().EosTokenIds);
        Assert.All(llama.Tensors.All, x => Assert.Equal(StoredType.BF16, x.Type));
    }

    [Fact]
    public void ReportsEverythingThatDoesNotFitAtOnce()
    {
        Write(_files.Folder, Source("a.weight", 2, 3), Source("b.weight", 4), Source("h.0.attn.bias", 1), Source("stray", 1), Bytes("quantized", 4));
        using var directory = HfDirectory.Open(_files.Folder);
        var e = Assert.Throws<TandemException>(() => directory.Tensors.Load(
            [
                new("a.weight", new Shape(3, 2)), new("b.weight", new Shape(4)), new("c.weight", new Shape(5)), new("d.weight", new Shape(6)),
                new("quantized", new Shape(4)),
            ],
            "*.attn.bias"));
        foreach (var part in new[] { "2 missing", "c.weight [5]", "d.weight [6]", "a.weight: stored [2, 3], needed [3, 2]", "1 unexpected", "stray [1]", "quantized: stored as U8" })
            Assert.Contains(part, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("attn.bias", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("b.weight", e.Message, StringComparison.Ordinal);

        var loaded = directory.Tensors.Load([new("b.weight", new Shape(4)), new("a.weight", new Shape(2, 3))], "*.attn.bias", "str?y", "quantized");
        Assert.Equal(["b.weight", "a.weight"], loaded.Select(x => x.Name));
        Assert.Equal([0f, 1, 2, 3], SafetensorsTests.Floats(loaded[0]));
    }

    [Fact]
    public void APrefixIsAddedOnlyWhereItIsAbsent()
    {
        Write(_files.At("bare"), Source("wte.weight", 2), Source("lm_head.weight", 2));
        using var bare = HfDirectory.Open(_files.At("bare"));
        var named = bare.Tensors.AddPrefixIfAbsent("transformer.", "lm_head.*");
        Assert.NotNull(named.TryGet("transformer.wte.weight"));
        Assert.NotNull(named.TryGet("lm_head.weight"));
        Assert.Same(named, named.AddPrefixIfAbsent("transformer."));
        Assert.Equal([0f, 1], SafetensorsTests.Floats(named.TryGet("transformer.wte.weight")!));
    }

    [Fact]
    public void ShardsAreSplitAtTheLimitAndReadBack()
    {
        var tensors = Enumerable.Range(0, 7).Select(i => Source($"t{i}", 10 * (i + 1))).ToArray();
        HfDirectoryWriter.Write(_files.At("m"), Config, tensors, """{"eos_token_id":[3,4]}""", maxShardBytes: 300);
        Assert.Equal(
            ["config.json", "generation_config.json", "model-00001-of-00005.safetensors", "model-00002-of-00005.safetensors", "model-00003-of-00005.safetensors",
                "model-00004-of-00005.safetensors", "model-00005-of-00005.safetensors", "model.safetensors.index.json"],
            Directory.GetFiles(_files.At("m")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using (var directory = HfDirectory.Open(_files.At("m")))
        {
            Assert.Equal(7, directory.Tensors.All.Count);
            Assert.Equal([3, 4], directory.ReadGenerationConfig().EosTokenIds);
            foreach (var tensor in directory.Tensors.All)
                Assert.Equal(Enumerable.Range(0, (int)tensor.Shape.Count).Select(x => (float)x), SafetensorsTests.Floats(tensor));
        }

        // A model is replaced only on request, and then nothing of the old one is left to be read by mistake.
        File.WriteAllText(Path.Combine(_files.At("m"), "tokenizer.json"), "{}");
        Assert.Contains("already holds a model", Assert.Throws<TandemException>(() => Write(_files.At("m"), tensors)).Message, StringComparison.Ordinal);
        HfDirectoryWriter.Write(_files.At("m"), Config, tensors[..2], overwrite: true);
        Assert.Equal(["config.json", "model.safetensors", "tokenizer.json"], Directory.GetFiles(_files.At("m")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var again = HfDirectory.Open(_files.At("m"));
        Assert.Equal(["t0", "t1"], again.Tensors.All.Select(x => x.Name));
        Assert.Throws<TandemException>(() => HfDirectoryWriter.Write(_files.At("n"), Config, [tensors[0], tensors[0]], maxShardBytes: 1));
    }

    [Fact]
    public void AModelThatWasNotFinishedIsNotReadable()
    {
        var failing = new TensorSource("b", DType.F32, new Shape(4), (_, _) => throw new InvalidOperationException());
        Assert.Throws<InvalidOperationException>(() => HfDirectoryWriter.Write(_files.At("m"), Config, [Source("a", 4), failing], maxShardBytes: 16));
        Assert.Contains("config.json", Assert.Throws<TandemException>(() => HfDirectory.Open(_files.At("m"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../other.safetensors")]
    [InlineData("/etc/x.safetensors")]
    [InlineData("..\\\\other.safetensors")]
    [InlineData("sub/x.safetensors")]
    [InlineData("c:x.safetensors")]
    [InlineData("..safetensors")]
    [InlineData(".safetensors")]
    [InlineData("x.bin")]
    [InlineData("x\\u0000.safetensors")]
    [InlineData("")]
    public void AnIndexMayNotPointOutOfTheFolder(string file)
    {
        File.WriteAllText(_files.At("config.json"), Config);
        File.WriteAllText(_files.At(HfDirectory.IndexName), $$$"""{"weight_map":{"a":"{{{file}}}"}}""");
        var e = Assert.Throws<TandemException>(() => HfDirectory.Open(_files.Folder));
        Assert.Contains("'a' is said to be in", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "weight_map")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""{"weight_map":{}}""", "empty")]
    [InlineData("""{"weight_map":{"a":5}}""", "'a'")]
    [InlineData("""{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}""", "JSON")]
    [InlineData("""{"weight_map":{"a":"gone.safetensors"}}""", "gone.safetensors")]
    [InlineData("""{"weight_map":{"a":"folder.safetensors"}}""", "1 files that are not there: folder.safetensors")]
    [InlineData("""{"weight_map":{"a":"s.safetensors","zz":"s.safetensors"}}""", "'zz' in s.safetensors")]
    [InlineData("""{"weight_map":""", "JSON")]
    [InlineData("""{"weight_map":{"\ud800":"s.safetensors"}}""", "Unicode")]
    public void ABrokenIndexIsRefusedWithItsFault(string index, string expected)
    {
        File.WriteAllText(_files.At("config.json"), Config);
        SafetensorsWriter.Write(_files.At("s.safetensors"), [Source("a", 2)]);
        Directory.CreateDirectory(_files.At("folder.safetensors"));
        File.WriteAllText(_files.At(HfDirectory.IndexName), index);
        Assert.Contains(expected, Assert.Throws<TandemException>(() => HfDirectory.Open(_files.Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatIsMissingIsNamed()
    {
        Assert.Contains("no such folder", Open(_files.At("none")), StringComparison.Ordinal);
        Assert.Contains("no config.json", Open(_files.Folder), StringComparison.Ordinal);
        File.WriteAllText(_files.At("config.json"), Config);
        File.WriteAllText(_files.At("pytorch_model.bin"), "");
        Assert.Contains("pytorch_model.bin", Open(_files.Folder), StringComparison.Ordinal);
        File.WriteAllText(_files.At("model.safetensors"), "");
        Assert.Contains("model.safetensors", Open(_files.Folder), StringComparison.Ordinal);

        static string Open(string folder) => Assert.ThrowsAny<TandemException>(() => HfDirectory.Open(folder)).Message;
    }

    [Fact]
    public void WithoutAGenerationConfigTheModelsTokensCount()
    {
        HfDirectoryWriter.Write(_files.At("m"), Config.Replace("}", ",\"eos_token_id\":[1,2],\"bos_token_id\":3}", StringComparison.Ordinal), [Source("a", 1)]);
        using var directory = HfDirectory.Open(_files.At("m"));
        var generation = directory.ReadGenerationConfig();
        Assert.Equal(3, generation.BosTokenId);
        Assert.Equal([1, 2], generation.EosTokenIds);
    }

    private static void Write(string folder, params TensorSource[] tensors) => HfDirectoryWriter.Write(folder, Config, tensors);

    private static TensorSource Bytes(string name, long count) => new(name, DType.U8, new Shape(count), (_, span) => span.Clear());

    private static TensorSource Source(string name, params long[] dims) => new(name, DType.F32, new Shape(dims), (first, span) =>
    {
        for (var i = 0; i < span.Length / 4; i++)
            System.Buffers.Binary.BinaryPrimitives.WriteSingleLittleEndian(span[(4 * i)..], first + i);
    });
}
