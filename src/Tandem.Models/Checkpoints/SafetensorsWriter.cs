using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>The order of tensors in a file.</summary>
public enum TensorOrder
{
    /// <summary>Widest elements first, then by name: every tensor is aligned to its element.</summary>
    Aligned,

    /// <summary>As given.</summary>
    Given,
}

/// <summary>
/// Writes safetensors files, whole or not at all (see <see cref="AtomicFile"/>), a tensor at a time. The header is padded with spaces so that
/// the data starts at a multiple of 8.
/// </summary>
public static class SafetensorsWriter
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="tensors">The tensors; names must differ.</param>
    /// <param name="metadata">Strings for <c>__metadata__</c>, for example <c>format</c> = <c>pt</c>; null for none.</param>
    /// <param name="order">The order of the data.</param>
    /// <exception cref="TandemException">A name occurs twice, the header exceeds 100 MB, or the file cannot be written.</exception>
    public static void Write(
        string path, IReadOnlyList<TensorSource> tensors, IReadOnlyDictionary<string, string>? metadata = null, TensorOrder order = TensorOrder.Aligned)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        TensorSource[] sorted = order == TensorOrder.Given
            ? [.. tensors]
            : [.. tensors.OrderByDescending(x => x.Type.Size()).ThenBy(x => x.Name, StringComparer.Ordinal)];
        var header = Header(path, sorted, metadata);
        using var file = AtomicFile.Create(path);
        file.Write(header);
        var buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            foreach (var tensor in sorted)
            {
                for (long i = 0; i < tensor.Bytes; i += ChunkBytes)
                {
                    var chunk = buffer.AsSpan(0, (int)Math.Min(ChunkBytes, tensor.Bytes - i));
                    tensor.Read(i / tensor.Type.Size(), chunk);
                    file.Write(chunk);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        file.Commit();
    }

    private static byte[] Header(string path, TensorSource[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var names = new HashSet<string>(tensors.Length);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(x => x.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            var offset = 0L;
            foreach (var tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                    throw new TandemException($"cannot write '{path}': tensor {CheckpointException.Quote(tensor.Name)} is given twice");
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.ToStored().Name());
                json.WriteStartArray("shape");
                foreach (var dim in tensor.Shape.Dims)
                    json.WriteNumberValue(dim);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                offset = checked(offset + tensor.Bytes);
                json.WriteNumberValue(offset);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        var length = (buffer.WrittenCount + 7) / 8 * 8;
        if (length > SafetensorsHeader.MaxBytes)
            throw new TandemException($"cannot write '{path}': the names of {tensors.Length} tensors need {length} bytes; accepted: {SafetensorsHeader.MaxBytes}");
        var bytes = new byte[8 + length];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)length);
        buffer.WrittenSpan.CopyTo(bytes.AsSpan(8));
        bytes.AsSpan(8 + buffer.WrittenCount).Fill((byte)' ');
        return bytes;
    }
}
