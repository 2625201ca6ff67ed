using System.Buffers;
using System.Text;

namespace Tandem.Models;

/// <summary>How far the writing of a file is.</summary>
/// <param name="Tensor">The tensor that is being written.</param>
/// <param name="BytesDone">Bytes of tensors so far.</param>
/// <param name="BytesTotal">Bytes of all tensors.</param>
public readonly record struct WriteProgress(string Tensor, long BytesDone, long BytesTotal);

/// <summary>
/// Writes GGUF files of version 3, whole or not at all (see <see cref="AtomicFile"/>). Tensors are asked for in pieces of whole rows, in order, so that a file may be larger than memory.
/// </summary>
public static class GgufWriter
{
    /// <summary>The key of what tensors' offsets are multiples of.</summary>
    public const string AlignmentKey = "general.alignment";

    // Readers keep names in 64 bytes with a zero behind.
    private const int MaxNameBytes = 63, MaxDims = 4, DefaultAlignment = 32, MaxAlignment = 1 << 20;
    private const long PieceBytes = 4 << 20;

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="metadata">The keys, in their order in the file.</param>
    /// <param name="tensors">The tensors, outermost dimension first, in their order in the file.</param>
    /// <param name="progress">Told after each piece; null tells nobody.</param>
    /// <param name="cancel">Ends the writing; what was at <paramref name="path"/> stays.</param>
    /// <exception cref="TandemException">A key or name occurs twice or is too long, a tensor's type has no number in GGUF files, or the file cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static void Write(
        string path,
        IReadOnlyList<KeyValuePair<string, GgufValue>> metadata,
        IReadOnlyList<TensorSource> tensors,
        Action<WriteProgress>? progress = null,
        CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        ArgumentNullException.ThrowIfNull(tensors);
        int alignment = Alignment(path, metadata);
        byte[] header = Header(path, metadata, tensors, alignment);
        using var file = AtomicFile.Create(path);
        file.Write(header);
        Pad(file, alignment);
        long done = 0, total = tensors.Sum(t => t.Bytes);
        foreach (TensorSource tensor in tensors)
        {
            done = WriteTensor(file, tensor, bytes => progress?.Invoke(new WriteProgress(tensor.Name, bytes, total)), done, cancel);
            Pad(file, alignment);
        }

        file.Commit();
    }

    private static long WriteTensor(AtomicFile file, TensorSource tensor, Action<long> progress, long done, CancellationToken cancel)
    {
        long row = tensor.Shape.Rank == 0 ? 1 : tensor.Shape[-1], elements = tensor.Shape.Count;
        if (elements == 0) return done;
        long piece = Math.Max(1, PieceBytes / Math.Max(1, tensor.Type.Bytes(row))) * row;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(checked((int)tensor.Type.Bytes(Math.Min(piece, elements))));
        try
        {
            for (long first = 0; first < elements; first += piece)
            {
                cancel.ThrowIfCancellationRequested();
                Span<byte> bytes = buffer.AsSpan(0, (int)tensor.Type.Bytes(Math.Min(piece, elements - first)));
                tensor.Read(first, bytes);
                file.Write(bytes);
                done += bytes.Length;
                progress(done);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return done;
    }

    private static byte[] Header(string path, IReadOnlyList<KeyValuePair<string, GgufValue>> metadata, IReadOnlyList<TensorSource> tensors, int alignment)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write("GGUF"u8);
            writer.Write(3u);
            writer.Write((ulong)tensors.Count);
            writer.Write((ulong)metadata.Count);
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach ((string key, GgufValue value) in metadata)
            {
                if (!seen.Add(key)) throw new TandemException($"cannot write '{path}': key {CheckpointException.Quote(key)} is given twice");
                GgufValue.WriteString(writer, key);
                value.Write(writer);
            }

            seen.Clear();
            long offset = 0;
            foreach (TensorSource tensor in tensors)
            {
                string quoted = CheckpointException.Quote(tensor.Name);
                if (!seen.Add(tensor.Name)) throw new TandemException($"cannot write '{path}': tensor {quoted} is given twice");
                if (Encoding.UTF8.GetByteCount(tensor.Name) > MaxNameBytes) throw new TandemException($"cannot write '{path}': tensor {quoted} has a name of {Encoding.UTF8.GetByteCount(tensor.Name)} bytes; accepted: up to {MaxNameBytes}");
                if (tensor.Shape.Rank > MaxDims) throw new TandemException($"cannot write '{path}': tensor {quoted} has {tensor.Shape.Rank} dimensions; accepted: up to {MaxDims}");
                GgufValue.WriteString(writer, tensor.Name);
                writer.Write((uint)tensor.Shape.Rank);
                for (int i = tensor.Shape.Rank - 1; i >= 0; i--) writer.Write((ulong)tensor.Shape[i]);
                writer.Write(GgufTensorTypes.NumberOf(tensor.Type) ?? throw new TandemException($"cannot write '{path}': tensor {quoted} is {tensor.Type.Name()}, which GGUF files cannot hold; accepted: {GgufTensorTypes.Accepted}"));
                writer.Write((ulong)offset);
                offset = checked((offset + tensor.Bytes + alignment - 1) / alignment * alignment);
            }
        }

        return stream.ToArray();
    }

    private static int Alignment(string path, IReadOnlyList<KeyValuePair<string, GgufValue>> metadata)
    {
        if (metadata.FirstOrDefault(m => m.Key == AlignmentKey).Value is not { } value) return DefaultAlignment;
        return value.Content is ulong alignment and > 0 and <= MaxAlignment && ulong.IsPow2(alignment)
            ? (int)alignment
            : throw new TandemException($"cannot write '{path}': {AlignmentKey} is {value} ({value.Type}); accepted: a power of two up to {MaxAlignment} as UInt32");
    }

    private static void Pad(AtomicFile file, int alignment)
    {
        int missing = (int)((alignment - (file.Position % alignment)) % alignment);
        if (missing > 0) file.Write(new byte[missing]);
    }
}
