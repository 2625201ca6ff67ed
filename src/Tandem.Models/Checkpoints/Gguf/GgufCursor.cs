using System.Buffers.Binary;
using System.Text;

namespace Tandem.Models;

/// <summary>What is being read, as errors name it; the text is made only for an error.</summary>
/// <param name="What">The kind of thing.</param>
/// <param name="Name">The key or tensor that it belongs to, as the file has it.</param>
/// <param name="Index">Its number among its like; below 0 is none.</param>
internal readonly record struct GgufPlace(string What, string? Name = null, int Index = -1)
{
    public static implicit operator GgufPlace(string what) => new(what);

    public override string ToString() => $"{What}{(Index >= 0 ? $" {Index}" : "")}{(Name != null ? $" of {CheckpointException.Quote(Name)}" : "")}";
}

/// <summary>Reads a GGUF header from front to back. Every length is compared with what is left of the file before anything is made of it.</summary>
internal sealed class GgufCursor(MappedFile file)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>Where the next byte is read.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes behind the position.</summary>
    public long Left => file.Length - Position;

    public byte Byte(GgufPlace what) => Bytes(1, what)[0];

    public ushort UInt16(GgufPlace what) => BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2, what));

    public uint UInt32(GgufPlace what) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4, what));

    public ulong UInt64(GgufPlace what) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8, what));

    /// <summary>A number of things of at least <paramref name="leastBytes"/> each. One that the file could never have held is named as such; else the file was cut off.</summary>
    public int Count(GgufPlace what, int leastBytes, GgufError error, int most = int.MaxValue)
    {
        ulong count = UInt64(what);
        if (count > (ulong)(Left / leastBytes) || count > int.MaxValue)
            throw Fail(count > (ulong)file.Length ? error : GgufError.Truncated, $"{count:N0} {what}, {leastBytes} bytes or more each, do not fit in the {Left:N0} bytes that are left");
        return count <= (ulong)most ? (int)count : throw Fail(error, $"{count:N0} {what}; accepted: up to {most:N0}");
    }

    /// <summary>A string with its length before it.</summary>
    public string String(GgufPlace what, int most = int.MaxValue)
    {
        ulong length = UInt64(what);
        if (length > (ulong)most || length > (ulong)Left)
            throw Fail(GgufError.StringTooLong, $"{what} has {length:N0} bytes; {Left:N0} are left in the file{(most < int.MaxValue ? $", and {most} are accepted" : "")}");
        try
        {
            return Strict.GetString(Bytes((int)length, what));
        }
        catch (DecoderFallbackException)
        {
            throw Fail(GgufError.NotUtf8, $"{what} is not UTF-8");
        }
    }

    /// <summary>The next bytes.</summary>
    public ReadOnlySpan<byte> Bytes(int count, GgufPlace what)
    {
        if (count > Left) throw Fail(GgufError.Truncated, $"the file ends within {what}");
        ReadOnlySpan<byte> bytes = file.Span(Position, count);
        Position += count;
        return bytes;
    }

    /// <summary>An error with file and place.</summary>
    public GgufException Fail(GgufError error, string message) => new(error, $"'{file.Path}' at byte {Position:N0}: {message}");
}
