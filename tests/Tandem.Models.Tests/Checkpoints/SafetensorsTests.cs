using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>The safetensors reader against valid and malformed files, and the writer against the reader.</summary>
public sealed unsafe class SafetensorsTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void EveryGoldenFileIsAcceptedOrRefusedAsItShould()
    {
        var files = CheckpointFiles.Malformed();
        var cases = JsonDocument.Parse(files["cases.json"]).RootElement.EnumerateArray().ToList();
        Assert.Equal(files.Count - 1, cases.Count);
        var wrong = new List<string>();
        foreach (var one in cases)
        {
            var name = one.GetProperty("file").GetString()!;
            var expect = one.GetProperty("expect").GetString()!;
            File.WriteAllBytes(_files.At(name), files[name]);
            var verdict = Verdict(_files.At(name), out var message);
            if (!Accepted(expect).Contains(verdict))
                wrong.Add($"{name}: {verdict}, expected {expect}: {message}");
            if (message is not null)
                Assert.Contains(name, message, StringComparison.Ordinal);
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void ReadsNamesShapesMetadataAndBytes()
    {
        var files = CheckpointFiles.Malformed();
        File.WriteAllBytes(_files.At("m"), files["ok_metadata.safetensors"]);
        using (var file = SafetensorsFile.Open(_files.At("m")))
        {
            Assert.NotEmpty(file.Metadata);
            Assert.Equal(["a", "b"], file.Tensors.Select(x => x.Name));
            Assert.Equal((StoredType.F32, new Shape(2, 2), 16L), (file["a"].Type, file["a"].Shape, file["a"].Bytes));
            Assert.Null(file.TryGet("c"));
            Assert.Contains("'c'", Assert.Throws<TandemException>(() => file["c"]).Message, StringComparison.Ordinal);
        }

        File.WriteAllBytes(_files.At("e"), files["ok_escaped_name.safetensors"]);
        using (var file = SafetensorsFile.Open(_files.At("e")))
            Assert.Equal("a", file.Tensors[0].Name);
    }

    [Fact]
    public void WritesWhatItReads()
    {
        var values = Enumerable.Range(0, 600_000).Select(i => MathF.Sin(i) * 3).ToArray();
        var integers = new long[] { 1, -2, long.MaxValue };
        fixed (float* data = values)
        fixed (long* ids = integers)
        {
            TensorSource[] sources =
            [
                TensorSource.FromFloats("half", DType.F16, new Shape(600, 1000), data),
                TensorSource.FromFloats("brain.\u00e9\"", DType.BF16, new Shape(3, 7), data),
                TensorSource.FromFloats("full", DType.F32, new Shape(values.Length), data),
                TensorSource.FromMemory("ids", DType.I64, new Shape(3), ids),
                TensorSource.FromFloats("scalar", DType.F32, default, data + 5),
                TensorSource.FromFloats("empty", DType.F32, new Shape(0, 4), data),
            ];
            SafetensorsWriter.Write(_files.At("w.safetensors"), sources, new Dictionary<string, string> { ["format"] = "pt" });
            SafetensorsWriter.Write(_files.At("g.safetensors"), sources, null, TensorOrder.Given);
        }

        var bytes = File.ReadAllBytes(_files.At("w.safetensors"));
        Assert.Equal(0ul, BinaryPrimitives.ReadUInt64LittleEndian(bytes) % 8);
        using var file = SafetensorsFile.Open(_files.At("w.safetensors"));
        Assert.Equal(["ids", "empty", "full", "scalar", "brain.\u00e9\"", "half"], file.Tensors.Select(x => x.Name));
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal(values, Floats(file["full"]));
        Assert.Equal(values.Select(x => (float)(Half)x), Floats(file["half"]));
        Assert.Equal(values.Take(21).Select(x => BFloat16.FromSingle(x).ToSingle()), Floats(file["brain.\u00e9\""]));
        Assert.Equal([values[5]], Floats(file["scalar"]));
        var back = new long[3];
        fixed (long* p = back)
            file["ids"].CopyTo(DType.I64, p);
        Assert.Equal(integers, back);

        using var given = SafetensorsFile.Open(_files.At("g.safetensors"));
        Assert.Equal(["half", "brain.\u00e9\"", "full", "ids", "scalar", "empty"], given.Tensors.Select(x => x.Name));
        Assert.Empty(given.Metadata);
    }

    [Fact]
    public void ConvertsEveryFloatTypeInPartsAndInParallel()
    {
        var values = Enumerable.Range(0, 700_001).Select(i => (i % 1013 - 500) / 8f).ToArray();
        var doubles = values.Select(x => (double)x).ToArray();
        fixed (float* data = values)
        fixed (double* wide = doubles)
        {
            SafetensorsWriter.Write(_files.At("t.safetensors"),
            [
                TensorSource.FromFloats("f32", DType.F32, new Shape(values.Length), data),
                TensorSource.FromFloats("f16", DType.F16, new Shape(values.Length), data),
                TensorSource.FromFloats("bf16", DType.BF16, new Shape(values.Length), data),
                TensorSource.FromMemory("f64", DType.F64, new Shape(values.Length), wide),
                new TensorSource("f8", DType.F8E4M3, new Shape(256), (first, span) => Sequence(first, span)),
                new TensorSource("f8b", DType.F8E5M2, new Shape(256), (first, span) => Sequence(first, span)),
                new TensorSource("u8", DType.U8, new Shape(256), (first, span) => Sequence(first, span)),
            ]);
        }

        using var file = SafetensorsFile.Open(_files.At("t.safetensors"));
        foreach (var (name, target, threads) in from n in new[] { "f32", "f16", "bf16", "f64" }
                                                from d in new[] { DType.F32, DType.F16, DType.BF16 }
                                                from t in new[] { 0, 1, 3 }
                                                select (n, d, t))
        {
            using var buffer = new NativeBuffer(values.Length * target.Size());
            file[name].CopyTo(target, buffer.Pointer, threads);
            using var part = new NativeBuffer(1000 * target.Size());
            file[name].CopyTo(target, part.Pointer, 262_000, 1000);
            for (var i = 0; i < values.Length; i++)
            {
                var stored = name switch { "f16" => (float)(Half)values[i], "bf16" => BFloat16.FromSingle(values[i]), _ => values[i] };
                var expected = target switch { DType.F16 => (float)(Half)stored, DType.BF16 => BFloat16.FromSingle(stored), _ => stored };
                if (expected != At(buffer, target, i) || (i is >= 262_000 and < 263_000 && expected != At(part, target, i - 262_000)))
                    Assert.Fail($"{name} to {target}, {threads} threads, element {i}: {expected} became {At(buffer, target, i)}");
            }
        }

        Assert.Equal(Enumerable.Range(0, 256).Select(i => Float8E4M3.FromBits((byte)i).ToSingle()), Floats(file["f8"]));
        Assert.Equal(Enumerable.Range(0, 256).Select(i => Float8E5M2.FromBits((byte)i).ToSingle()), Floats(file["f8b"]));
        Assert.Contains("U8", Assert.Throws<TandemException>(() => Floats(file["u8"])).Message, StringComparison.Ordinal);
        Assert.Throws<TandemException>(() => file["f32"].CopyTo(DType.I32, null));
        Assert.Throws<TandemException>(() => file["f32"].CopyTo(DType.F32, null, values.Length, 1));
        Assert.Throws<TandemException>(() => file["f32"].CopyTo(DType.F32, null, -1, 1));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Floats(file["f32"]));
    }

    [Fact]
    public void ReadsUnalignedTensors()
    {
        File.WriteAllBytes(_files.At("u"), CheckpointFiles.Malformed()["ok_unaligned.safetensors"]);
        using var file = SafetensorsFile.Open(_files.At("u"));
        var tensor = file.Tensors.Single(x => x.Type == StoredType.F32);
        Assert.NotEqual(0, (nint)tensor.Pointer % 4);
        var values = Floats(tensor);
        for (var i = 0; i < values.Length; i++)
            Assert.Equal(BinaryPrimitives.ReadSingleLittleEndian(new ReadOnlySpan<byte>(tensor.Pointer + 4 * i, 4)), values[i]);
    }

    [Fact]
    public void TheWriterRefusesBadNamesAndLeavesNothingBehind()
    {
        TensorSource Source(string name) => new(name, DType.F32, new Shape(4), (_, span) => span.Clear());
        var path = _files.At("x.safetensors");
        Assert.Contains("twice", Assert.Throws<TandemException>(() => SafetensorsWriter.Write(path, [Source("a"), Source("a")])).Message, StringComparison.Ordinal);
        Assert.Throws<TandemException>(() => Source(""));
        Assert.Throws<TandemException>(() => Source("__metadata__"));
        var failing = new TensorSource("b", DType.F32, new Shape(4), (_, _) => throw new InvalidOperationException());
        Assert.Throws<InvalidOperationException>(() => SafetensorsWriter.Write(path, [Source("a"), failing]));
        Assert.Empty(Directory.GetFiles(_files.Folder));
        SafetensorsWriter.Write(path, []);
        using var file = SafetensorsFile.Open(path);
        Assert.Empty(file.Tensors);
    }

    [Fact]
    public void MutatedHeadersAreReadOrRefusedNeverAnythingElse()
    {
        var seeds = CheckpointFiles.Malformed().Where(x => x.Key != "cases.json" && x.Value.Length is > 8 and < 400).OrderBy(x => x.Key, StringComparer.Ordinal).ToList();
        var random = new Random(20240501);
        string[] tokens = ["9223372036854775807", "18446744073709551615", "-1", "1e9", "\"", "{", "}", "[", "]", ",", ":", "null", "\\u0061", "\\ud800", "F32", "BF16", "\"shape\""];
        var accepted = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = seeds[i % seeds.Count].Value.ToList();
            for (var n = random.Next(1, 5); n > 0; n--)
                Mutate(bytes, random, tokens);
            var file = bytes.ToArray();
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                var length = SafetensorsHeader.ReadLength(file.AsSpan(0, Math.Min(8, file.Length)), file.Length, "fuzz");
                var header = SafetensorsHeader.Parse(file.AsSpan(8, length), file.Length - 8 - length, "fuzz");
                Assert.All(header.Tensors, x => Assert.True(x.Begin >= 0 && x.Begin <= x.End && x.End <= file.Length - 8 - length));
                accepted++;
            }
            catch (TandemException e)
            {
                Assert.StartsWith("fuzz: ", e.Message, StringComparison.Ordinal);
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
        }

        Assert.InRange(accepted, 200, 19_000);
    }

    internal static float[] Floats(StoredTensor tensor)
    {
        var result = new float[tensor.Shape.Count];
        fixed (float* pointer = result)
            tensor.CopyTo(DType.F32, pointer);
        return result;
    }

    private static float At(NativeBuffer buffer, DType type, int index) => type switch
    {
        DType.F32 => ((float*)buffer.Pointer)[index],
        DType.F16 => (float)((Half*)buffer.Pointer)[index],
        _ => ((BFloat16*)buffer.Pointer)[index].ToSingle(),
    };

    private static void Sequence(long first, Span<byte> span)
    {
        for (var i = 0; i < span.Length; i++)
            span[i] = (byte)(first + i);
    }

    private static void Mutate(List<byte> bytes, Random random, string[] tokens)
    {
        if (bytes.Count < 9)
            return;
        var at = random.Next(0, 20) == 0 ? random.Next(8) : random.Next(8, bytes.Count);
        switch (random.Next(5))
        {
            case 0:
                bytes[at] = (byte)random.Next(256);
                break;
            case 1:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 2:
                bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at));
                break;
            case 3:
                bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 30), bytes.Count - at)));
                break;
            default:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(tokens[random.Next(tokens.Length)]));
                break;
        }

        // Mostly keep the stated length in step with the header, or little would get past the first check.
        if (random.Next(4) != 0 && bytes.Count >= 8)
        {
            var end = bytes.LastIndexOf((byte)'}');
            var length = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(length, Math.Max(0, end - 7));
            for (var i = 0; i < 8; i++)
                bytes[i] = length[i];
        }
    }

    private static string Verdict(string path, out string? message)
    {
        message = null;
        try
        {
            using var file = SafetensorsFile.Open(path);
            foreach (var tensor in file.Tensors)
                _ = tensor.Bytes == 0 ? 0 : tensor.Pointer[tensor.Bytes - 1];
            return "accept";
        }
        catch (CheckpointException e)
        {
            message = e.Message;
            return e.Error.ToString();
        }
    }

    /// <summary>A file that ends early and one whose numbers point beyond its end cannot be told apart.</summary>
    private static string[] Accepted(string expect) => expect switch
    {
        "accept" => ["accept"],
        "accept_or_reject" => ["accept", nameof(CheckpointError.BadTensorInfo)],
        "bad_header_or_accept" => ["accept", nameof(CheckpointError.BadHeader)],
        "truncated" => [nameof(CheckpointError.Truncated), nameof(CheckpointError.DataOutOfFile)],
        "header_too_large" or "header_too_large_or_truncated" => [nameof(CheckpointError.HeaderTooLarge), nameof(CheckpointError.Truncated)],
        "bad_header" => [nameof(CheckpointError.BadHeader)],
        "bad_json" => [nameof(CheckpointError.BadJson)],
        "not_utf8" => [nameof(CheckpointError.NotUtf8)],
        "bad_metadata" => [nameof(CheckpointError.BadMetadata)],
        "duplicate_key" => [nameof(CheckpointError.DuplicateKey)],
        "unknown_dtype" => [nameof(CheckpointError.UnknownDType)],
        "bad_tensor_info" => [nameof(CheckpointError.BadTensorInfo)],
        "shape_overflow" => [nameof(CheckpointError.ShapeOverflow)],
        "size_mismatch" => [nameof(CheckpointError.SizeMismatch)],
        "bad_offsets" => [nameof(CheckpointError.BadOffsets)],
        "data_out_of_file" => [nameof(CheckpointError.DataOutOfFile)],
        "overlap" => [nameof(CheckpointError.Overlap)],
        "hole" => [nameof(CheckpointError.Hole)],
        _ => throw new InvalidOperationException($"unknown expectation {expect}"),
    };
}
