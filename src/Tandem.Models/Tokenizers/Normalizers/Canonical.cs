using System.Buffers;
using System.Text;

namespace Tandem.Models;

/// <summary>Decomposition, canonical and by compatibility, and composition of single characters and pairs (UAX 15; Hangul by the formulas of the Unicode Standard, 3.12).</summary>
internal static class Canonical
{
    /// <summary>Characters of the longest full decomposition.</summary>
    public const int MaxParts = 18;

    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7, Leads = 19, Vowels = 21, Tails = 28, Syllables = Leads * Vowels * Tails;

    private static readonly Dictionary<int, (int First, int Second)> Parts = [];
    private static readonly Dictionary<long, int> Pairs = [];
    private static readonly Dictionary<int, int> Compatible = [];
    private static readonly Dictionary<int, byte> Classes = [];

    // Characters that a composed text may not have, or only after certain others.
    private static readonly HashSet<int> Unstable = [];

    static Canonical()
    {
        ReadOnlySpan<int> composites = CanonicalData.Composites, others = CanonicalData.Decompositions, classes = CanonicalData.CombiningClasses;
        for (int i = 0; i < composites.Length; i += 3)
        {
            Parts[composites[i]] = (composites[i + 1], composites[i + 2]);
            Pairs[Key(composites[i + 1], composites[i + 2])] = composites[i];
            Unstable.Add(composites[i + 2]);
        }

        for (int i = 0; i < others.Length; i += 3)
        {
            Parts[others[i]] = (others[i + 1], others[i + 2]);
            Unstable.Add(others[i]);
        }

        for (int i = 0; i < classes.Length; i += 3)
        {
            for (int c = classes[i]; c <= classes[i + 1]; c++)
            {
                Classes[c] = (byte)classes[i + 2];
                Unstable.Add(c);
            }
        }

        ReadOnlySpan<int> compatible = CompatibilityData.Decompositions;
        for (int i = 0; i < compatible.Length; i += 2 + compatible[i + 1]) Compatible[compatible[i]] = i + 1;
        for (int c = VowelBase; c < VowelBase + Vowels; c++) Unstable.Add(c);
        for (int c = TailBase + 1; c < TailBase + Tails; c++) Unstable.Add(c);
    }

    /// <summary>Whether a text is surely composed already; false may mean either.</summary>
    public static bool IsComposed(ReadOnlySpan<char> text)
    {
        int at = text.IndexOfAnyExceptInRange('\0', '\u02ff');
        if (at < 0) return true;
        while (at < text.Length)
        {
            int codePoint = Rune.DecodeFromUtf16(text[at..], out Rune rune, out int length) == OperationStatus.Done ? rune.Value : text[at];
            if (codePoint >= 0x300 && Unstable.Contains(codePoint)) return false;
            at += length;
        }

        return true;
    }

    /// <summary>The combining class, 0 for starters.</summary>
    public static int CombiningClass(int codePoint) => codePoint < 0x300 ? 0 : Classes.GetValueOrDefault(codePoint);

    /// <summary>Writes the full decomposition and gives its length, 1 for a character that has none.</summary>
    public static int Decompose(int codePoint, Span<int> parts, bool compatibility)
    {
        if (compatibility && codePoint >= 0xA0 && Compatible.TryGetValue(codePoint, out int at))
        {
            int written = 0;
            foreach (int part in CompatibilityData.Decompositions.Slice(at + 1, CompatibilityData.Decompositions[at])) written += Decompose(part, parts[written..], compatibility);
            return written;
        }

        int syllable = codePoint - SyllableBase;
        if ((uint)syllable < Syllables)
        {
            parts[0] = LeadBase + (syllable / (Vowels * Tails));
            parts[1] = VowelBase + (syllable % (Vowels * Tails) / Tails);
            parts[2] = TailBase + (syllable % Tails);
            return syllable % Tails == 0 ? 2 : 3;
        }

        if (codePoint < 0xC0 || !Parts.TryGetValue(codePoint, out (int First, int Second) pair))
        {
            parts[0] = codePoint;
            return 1;
        }

        int count = Decompose(pair.First, parts, compatibility);
        return pair.Second == 0 ? count : count + Decompose(pair.Second, parts[count..], compatibility);
    }

    /// <summary>The character that a pair composes into.</summary>
    public static bool TryCompose(int first, int second, out int composed)
    {
        int lead = first - LeadBase, vowel = second - VowelBase, syllable = first - SyllableBase, tail = second - TailBase;
        if ((uint)lead < Leads && (uint)vowel < Vowels)
        {
            composed = SyllableBase + (((lead * Vowels) + vowel) * Tails);
            return true;
        }

        if ((uint)syllable < Syllables && syllable % Tails == 0 && tail is > 0 and < Tails)
        {
            composed = first + tail;
            return true;
        }

        return Pairs.TryGetValue(Key(first, second), out composed);
    }

    private static long Key(int first, int second) => ((long)first << 32) | (uint)second;
}
