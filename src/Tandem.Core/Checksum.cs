using System.IO.Hashing;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Tandem;

/// <summary>Checksums of native memory and files of any length.</summary>
public static unsafe class Checksum
{
    private const int Chunk = 1 << 30;

    /// <summary>XXH3, 64 bits, seed 0.</summary>
    public static ulong XxHash3(byte* data, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes <= Chunk)
            return System.IO.Hashing.XxHash3.HashToUInt64(new ReadOnlySpan<byte>(data, (int)bytes));

        var hash = new XxHash3();
        for (long i = 0; i < bytes; i += Chunk)
            hash.Append(new ReadOnlySpan<byte>(data + i, (int)Math.Min(Chunk, bytes - i)));
        return hash.GetCurrentHashAsUInt64();
    }

    /// <summary>XXH3, 64 bits, seed 0.</summary>
    public static ulong XxHash3(ReadOnlySpan<byte> data) => System.IO.Hashing.XxHash3.HashToUInt64(data);

    /// <summary>XXH3 of a file's content.</summary>
    /// <exception cref="TandemException">The file cannot be read.</exception>
    public static ulong XxHash3OfFile(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20, FileOptions.SequentialScan);
            var hash = new XxHash3();
            hash.Append(stream);
            return hash.GetCurrentHashAsUInt64();
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    /// <summary>CRC-32C (Castagnoli, reflected, as in iSCSI and ext4) of native memory. Continue a sum by passing it as <paramref name="previous"/>.</summary>
    public static uint Crc32C(byte* data, long bytes, uint previous = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var crc = previous;
        for (long i = 0; i < bytes; i += Chunk)
            crc = Crc32C(new ReadOnlySpan<byte>(data + i, (int)Math.Min(Chunk, bytes - i)), crc);
        return crc;
    }

    /// <summary>CRC-32C of a span. Continue a sum by passing it as <paramref name="previous"/>.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> data, uint previous = 0)
    {
        var crc = ~previous;
        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, MemoryMarshal.Read<ulong>(data));
            data = data[sizeof(ulong)..];
        }

        foreach (var value in data)
            crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }
}
