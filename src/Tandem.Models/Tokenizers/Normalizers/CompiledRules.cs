using System.Buffers.Binary;
using System.Text;

namespace Tandem.Models;

/// <summary>SentencePiece's compiled rules: a double-array trie over UTF-8 whose leaves are places in a text of replacements that end in NUL.</summary>
internal sealed class CompiledRules
{
    // No rule of the published sets is longer than a few characters; a damaged trie may run in circles.
    private const int LongestRule = 64;

    private readonly uint[] _units;
    private readonly byte[] _replacements;

    private CompiledRules(uint[] units, byte[] replacements) => (_units, _replacements) = (units, replacements);

    /// <summary>Reads the compiled rules: the size of the trie, the trie, the replacements.</summary>
    public static CompiledRules Of(ReadOnlySpan<byte> rules, string place)
    {
        uint size = rules.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(rules) : uint.MaxValue;
        if (size > rules.Length - 4 || size % 4 != 0 || size == 0) throw new TandemException($"{place}: {rules.Length} bytes with a trie of {size}, wanted a size in four bytes, a trie of it and the replacements");
        var units = new uint[size / 4];
        for (int i = 0; i < units.Length; i++) units[i] = BinaryPrimitives.ReadUInt32LittleEndian(rules[(4 + (4 * i))..]);
        return new CompiledRules(units, rules[(4 + (int)size)..].ToArray());
    }

    /// <summary>The replacement of the shortest rule that the bytes start with.</summary>
    public bool TryShortest(ReadOnlySpan<byte> key, out ReadOnlySpan<byte> replacement)
    {
        var walk = new Walk(_units);
        foreach (byte b in key)
        {
            if (!walk.Step(b)) break;
            if (walk.Value >= 0) return TryReplacement(walk.Value, out replacement);
        }

        replacement = default;
        return false;
    }

    /// <summary>The replacement of the longest rule that the text starts with, and how much of the text it stands for.</summary>
    public bool TryLongest(ReadOnlySpan<char> text, out ReadOnlySpan<byte> replacement, out int length)
    {
        var walk = new Walk(_units);
        Span<byte> bytes = stackalloc byte[4];
        int value = -1;
        length = 0;
        for (int at = 0; at < text.Length && at < LongestRule;)
        {
            Rune.DecodeFromUtf16(text[at..], out Rune rune, out int units);
            at += units;
            if (!walk.Step(bytes[..rune.EncodeToUtf8(bytes)])) break;
            if (walk.Value >= 0) (value, length) = (walk.Value, at);
        }

        replacement = default;
        return value >= 0 && TryReplacement(value, out replacement);
    }

    private bool TryReplacement(int start, out ReadOnlySpan<byte> replacement)
    {
        replacement = default;
        if (start > _replacements.Length) return false;
        replacement = _replacements.AsSpan(start);
        int end = replacement.IndexOf((byte)0);
        if (end >= 0) replacement = replacement[..end];
        return true;
    }

    private struct Walk(uint[] units)
    {
        private uint _at = Offset(units[0]);

        /// <summary>The value of the key so far, or -1.</summary>
        public int Value { get; private set; } = -1;

        public bool Step(ReadOnlySpan<byte> bytes)
        {
            foreach (byte b in bytes)
                if (!Step(b)) return false;
            return true;
        }

        public bool Step(byte b)
        {
            Value = -1;
            _at ^= b;
            if (b == 0 || _at >= units.Length) return false;
            uint unit = units[_at];
            if ((unit & 0x800000FF) != b) return false;
            _at ^= Offset(unit);
            if (_at >= units.Length) return false;
            if ((unit & 0x100) != 0) Value = (int)(units[_at] & 0x7FFFFFFF);
            return true;
        }

        private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
    }
}
