using Xunit;

namespace Tandem.Models.Tests;

/// <summary>The writer of GGUF files against the reader.</summary>
public sealed unsafe class GgufWriterTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("ok_base.gguf")]
    [InlineData("ok_all_types.gguf")]
    [InlineData("ok_align64.gguf")]
    public void What_is_read_is_written_as_equal(string name)
    {
        File.WriteAllBytes(_files.At("in"), CheckpointFiles.Malformed("gguf")[name]);
        AssertCopyEqual(_files.At("in"));
    }

    [Fact]
    public void Golden_models_are_written_as_equal()
    {
        string? folder = CheckpointFiles.Shared("gguf/models");
        Assert.SkipWhen(folder == null, "shared/goldens is not beside the repository");
        string[] models = Directory.GetFiles(folder!, "*.gguf");
        Assert.NotEmpty(models);
        foreach (string model in models) AssertCopyEqual(model);
    }

    [Fact]
    public void Progress_ends_with_all_bytes_and_a_cancelled_file_leaves_the_old_one()
    {
        Shape shape = new(3000, 512);
        var source = new TensorSource("w", DType.F32, shape, (_, destination) => destination.Fill(1));
        List<WriteProgress> told = [];
        GgufWriter.Write(_files.At("m.gguf"), [], [source], told.Add, TestContext.Current.CancellationToken);
        Assert.Equal(new WriteProgress("w", shape.Bytes(DType.F32), shape.Bytes(DType.F32)), told[^1]);
        Assert.True(told.Count > 1);
        byte[] before = File.ReadAllBytes(_files.At("m.gguf"));

        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => GgufWriter.Write(_files.At("m.gguf"), [], [source], _ => stop.Cancel(), stop.Token));
        Assert.Equal(before, File.ReadAllBytes(_files.At("m.gguf")));
        Assert.Equal([_files.At("m.gguf")], Directory.GetFiles(_files.Folder));
    }

    [Fact]
    public void What_files_cannot_hold_is_named()
    {
        TensorSource Tensor(string name, DType type = DType.F32) => new(name, type, new Shape(32), (_, d) => d.Clear());
        void AssertRefused(string expected, IReadOnlyList<KeyValuePair<string, GgufValue>> metadata, params TensorSource[] tensors)
        {
            TandemException error = Assert.Throws<TandemException>(() => GgufWriter.Write(_files.At("m"), metadata, tensors));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFiles(_files.Folder));
        }

        AssertRefused("key 'a' is given twice", [new("a", GgufValue.Of(1u)), new("a", GgufValue.Of(2u))]);
        AssertRefused("tensor 'w' is given twice", [], Tensor("w"), Tensor("w"));
        AssertRefused("is bool, which GGUF files cannot hold", [], Tensor("w", DType.Bool));
        AssertRefused("a name of 64 bytes; accepted: up to 63", [], Tensor(new string('x', 64)));
        AssertRefused("general.alignment is 48", [new("general.alignment", GgufValue.Of(48u))]);
    }

    private void AssertCopyEqual(string path)
    {
        using GgufFile original = GgufFile.Open(path);
        GgufWriter.Write(_files.At("copy"), [.. original.Metadata], [.. original.Tensors.Select(original.Source)], cancel: TestContext.Current.CancellationToken);
        using GgufFile copy = GgufFile.Open(_files.At("copy"));
        Assert.Equal(3, copy.Version);
        Assert.Equal(original.Alignment, copy.Alignment);
        Assert.Equal(original.Metadata.Keys, copy.Metadata.Keys);
        foreach ((string key, GgufValue value) in original.Metadata)
        {
            Assert.Equal((value.Type, value.ElementType), (copy.Metadata[key].Type, copy.Metadata[key].ElementType));
            Assert.Equal(value.Content, copy.Metadata[key].Content);
        }

        Assert.Equal(original.Tensors.Select(t => (t.Name, t.Type, string.Join(',', t.Dims))), copy.Tensors.Select(t => (t.Name, t.Type, string.Join(',', t.Dims))));
        foreach (GgufTensor tensor in original.Tensors)
            Assert.True(new ReadOnlySpan<byte>(original.Data(tensor), (int)tensor.Bytes).SequenceEqual(new ReadOnlySpan<byte>(copy.Data(copy.Find(tensor.Name)!), (int)tensor.Bytes)), tensor.Name);
    }
}
