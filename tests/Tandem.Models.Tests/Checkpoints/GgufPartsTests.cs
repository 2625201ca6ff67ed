using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Models in several GGUF files.</summary>
public sealed unsafe class GgufPartsTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Parts_are_read_as_one()
    {
        for (int part = 1; part <= 3; part++) Write(Name(part), part - 1, 3, $"t{part}");
        using GgufFile file = GgufFile.Open(_files.At(Name(1)));
        Assert.Equal(["t1", "t2", "t3"], file.Tensors.Select(t => t.Name));
        foreach ((GgufTensor tensor, int value) in file.Tensors.Zip([0, 1, 2])) Assert.Equal(value, ((float*)file.Data(tensor))[0]);

        using GgufContent content = GgufContent.Open(_files.At(Name(1)));
        GgufWriter.Write(_files.At("whole.gguf"), content.Metadata, [.. content.Tensors.Select(t => t.As(t.Type))], cancel: TestContext.Current.CancellationToken);
        using GgufFile whole = GgufFile.Open(_files.At("whole.gguf"));
        Assert.Equal(["general.architecture"], whole.Metadata.Keys);
        Assert.Equal(3, whole.Tensors.Count);
    }

    [Fact]
    public void Missing_and_mixed_parts_are_refused_by_name()
    {
        Write(Name(1), 0, 3, "t1");
        Write(Name(2), 1, 3, "t2");
        AssertRefused(1, $"'{_files.At(Name(3))}' is missing");
        Write(Name(3), 1, 3, "t3");
        AssertRefused(1, $"'{_files.At(Name(3))}': split.no is 1 and split.count is 3; accepted: 2 and 3");
        Write(Name(3), 2, 3, "t2");
        AssertRefused(1, "tensor 't2' is in another part too");
        Write(Name(3), 2, 3, "t3", tensors: 4);
        Write(Name(1), 0, 3, "t1", tensors: 4);
        AssertRefused(1, "have 3 tensors; accepted: 4, as split.tensors.count says");
        AssertRefused(2, $"is part 2 of 3; accepted: the first, '{_files.At(Name(1))}'");
        File.Move(_files.At(Name(1)), _files.At("other.gguf"));
        Assert.Contains("is one of 3 parts", Assert.Throws<TandemException>(() => GgufFile.Open(_files.At("other.gguf"))).Message, StringComparison.Ordinal);
    }

    private static string Name(int part) => $"m-{part:D5}-of-00003.gguf";

    private void AssertRefused(int part, string expected) =>
        Assert.Contains(expected, Assert.ThrowsAny<TandemException>(() => GgufFile.Open(_files.At(Name(part)))).Message, StringComparison.Ordinal);

    private void Write(string name, int number, int count, string tensor, int tensors = 3) => GgufWriter.Write(
        _files.At(name),
        [new("general.architecture", GgufValue.Of("some")), new("split.no", GgufValue.Of((uint)number)), new("split.count", GgufValue.Of((uint)count)), new("split.tensors.count", GgufValue.Of((uint)tensors))],
        [new TensorSource(tensor, DType.F32, new Shape(4), (_, d) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(d).Fill(number))]);
}
