using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>A tiktoken rank file: a line a token, its bytes in base64 and its rank, which is its id.</summary>
internal static class TiktokenFile
{
    private const int MaxFileBytes = 256 << 20, MaxRank = (1 << 22) - 1;

    /// <summary>Reads the tokens by rank; a rank that no line has is null.</summary>
    /// <exception cref="TandemException">The file cannot be read, or a line is malformed or says what another did.</exception>
    public static byte[]?[] Load(string path) => Read(BoundedFile.ReadAllBytes(path, MaxFileBytes));

    /// <summary>Reads the bytes of a file.</summary>
    /// <exception cref="TandemException">A line is malformed, or says what another did.</exception>
    public static byte[]?[] Read(ReadOnlySpan<byte> file)
    {
        var tokens = new Dictionary<int, (byte[] Bytes, int Line)>();
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        int number = 0;
        foreach (Range range in file.Split((byte)'\n'))
        {
            number++;
            ReadOnlySpan<byte> line = file[range].TrimEnd((byte)'\r');
            if (line.IsEmpty) continue;
            (byte[] bytes, int rank) = ReadLine(line, number);
            if (!tokens.TryAdd(rank, (bytes, number))) throw new TandemException($"line {number}: rank {rank} is there twice, first in line {tokens[rank].Line}");
            if (!seen.TryAdd(Encoding.Latin1.GetString(bytes), number)) throw new TandemException($"line {number}: the token {Convert.ToHexString(bytes)} is there twice, first in line {seen[Encoding.Latin1.GetString(bytes)]}");
        }

        for (int b = 0; b < 256; b++)
            if (!seen.ContainsKey(((char)b).ToString())) throw new TandemException($"byte 0x{b:X2} has no line of its own, wanted one for each of the 256");
        int highest = tokens.Keys.Max();
        if (highest >= 2 * tokens.Count) throw new TandemException($"line {tokens[highest].Line}: rank {highest} of {tokens.Count} tokens, wanted ranks without gaps");
        var ranks = new byte[]?[highest + 1];
        foreach ((int rank, (byte[] bytes, _)) in tokens) ranks[rank] = bytes;
        return ranks;
    }

    private static (byte[] Bytes, int Rank) ReadLine(ReadOnlySpan<byte> line, int number)
    {
        int space = line.IndexOf((byte)' ');
        if (space <= 0 || !int.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int rank) || rank > MaxRank)
            throw new TandemException($"line {number}: '{Shown(line)}', wanted base64, a space and a rank up to {MaxRank}");
        byte[] bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(space)];
        if (Base64.DecodeFromUtf8(line[..space], bytes, out int used, out int count) != System.Buffers.OperationStatus.Done || used != space || count == 0)
            throw new TandemException($"line {number}: '{Shown(line[..space])}' is not base64");
        return (bytes[..count], rank);
    }

    private static string Shown(ReadOnlySpan<byte> line)
    {
        string text = Encoding.Latin1.GetString(line[..Math.Min(line.Length, 60)]);
        return string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c : '?')) + (line.Length > 60 ? "..." : "");
    }
}
