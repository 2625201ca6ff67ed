using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// SentencePiece's compiled rules: a double-array trie over UTF-8 whose leaves are places in a text of replacements that end in NUL. Looked up are grapheme
/// clusters of fewer than six bytes, then characters, and the shortest rule that they start with replaces the whole of them: the reference does it so.
/// </summary>
internal sealed class PrecompiledNormalizer : Normalizer
{
    private const int LongestCluster = 5;

    private readonly uint[] _units;
    private readonly byte[] _replacements;

    private PrecompiledNormalizer(uint[] units, byte[] replacements) => (_units, _replacements) = (units, replacements);

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        ReadOnlySpan<char> units = text.Text;
        var changes = new TextChanges(units.Length);
        bool any = false;
        for (int at = 0; at < units.Length;)
        {
            ReadOnlySpan<char> cluster = units.Slice(at, StringInfo.GetNextTextElementLength(units[at..]));
            at += cluster.Length;
            if (cluster.Length <= LongestCluster && TryReplace(cluster, changes))
            {
                any = true;
                continue;
            }

            for (int i = 0; i < cluster.Length;)
            {
                int codePoint = CharSet.CodePointAt(cluster, i, out int length);
                if (TryReplace(cluster.Slice(i, length), changes)) any = true;
                else changes.Add(codePoint, 0);
                i += length;
            }
        }

        return any ? changes.Build(text) : text;
    }

    /// <summary>Reads the part.</summary>
    public static PrecompiledNormalizer Parse(JsonElement part, string place)
    {
        place += ".precompiled_charsmap";
        string text = PartJson.String(PartJson.Need(part, place, "precompiled_charsmap"), place);
        byte[] bytes = new byte[(text.Length / 4 * 3) + 3];
        if (!Convert.TryFromBase64String(text, bytes, out int count)) throw new TandemException($"{place}: is not base64");
        return Of(bytes.AsSpan(0, count), place);
    }

    /// <summary>Makes it of the compiled rules: the size of the trie, the trie, the replacements.</summary>
    public static PrecompiledNormalizer Of(ReadOnlySpan<byte> rules, string place)
    {
        uint size = rules.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(rules) : uint.MaxValue;
        if (size > rules.Length - 4 || size % 4 != 0 || size == 0) throw new TandemException($"{place}: {rules.Length} bytes with a trie of {size}, wanted a size in four bytes, a trie of it and the replacements");
        var units = new uint[size / 4];
        for (int i = 0; i < units.Length; i++) units[i] = BinaryPrimitives.ReadUInt32LittleEndian(rules[(4 + (4 * i))..]);
        return new PrecompiledNormalizer(units, rules[(4 + (int)size)..].ToArray());
    }

    // Fewer characters than there were: the last one stands for those, and when there is none before, for nothing.
    private bool TryReplace(ReadOnlySpan<char> part, TextChanges changes)
    {
        Span<byte> bytes = stackalloc byte[3 * LongestCluster];
        bytes = bytes[..Encoding.UTF8.GetBytes(part, bytes)];
        if (bytes.Length > LongestCluster || Find(bytes) is not (>= 0 and var start) || start > _replacements.Length) return false;
        ReadOnlySpan<byte> replacement = _replacements.AsSpan(start);
        int end = replacement.IndexOf((byte)0);
        int oldCount = 0, newCount = 0;
        foreach (Rune _ in part.EnumerateRunes()) oldCount++;
        foreach (Rune rune in Encoding.UTF8.GetString(end < 0 ? replacement : replacement[..end]).EnumerateRunes()) changes.Add(rune.Value, newCount++ < oldCount ? 0 : 1);
        if (newCount < oldCount) changes.TakeMore(oldCount - newCount);
        return true;
    }

    // The value of the shortest key that the bytes start with, or -1.
    private int Find(ReadOnlySpan<byte> key)
    {
        uint at = Offset(_units[0]);
        foreach (byte b in key)
        {
            at ^= b;
            if (b == 0 || at >= _units.Length) return -1;
            uint unit = _units[at];
            if ((unit & 0x800000FF) != b) return -1;
            at ^= Offset(unit);
            if (at >= _units.Length) return -1;
            if ((unit & 0x100) != 0) return (int)(_units[at] & 0x7FFFFFFF);
        }

        return -1;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
}
