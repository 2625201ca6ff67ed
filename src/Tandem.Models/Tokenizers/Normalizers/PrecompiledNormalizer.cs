using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// SentencePiece's compiled rules as the reference applies them in <c>tokenizer.json</c>. Looked up are grapheme
/// clusters of fewer than six bytes, then characters, and the shortest rule that they start with replaces the whole of them: the reference does it so.
/// </summary>
internal sealed class PrecompiledNormalizer : Normalizer
{
    private const int LongestCluster = 5;

    private readonly CompiledRules _rules;

    private PrecompiledNormalizer(CompiledRules rules) => _rules = rules;

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
        return new PrecompiledNormalizer(CompiledRules.Of(bytes.AsSpan(0, count), place));
    }

    // Fewer characters than there were: the last one stands for those, and when there is none before, for nothing.
    private bool TryReplace(ReadOnlySpan<char> part, TextChanges changes)
    {
        Span<byte> bytes = stackalloc byte[3 * LongestCluster];
        bytes = bytes[..Encoding.UTF8.GetBytes(part, bytes)];
        if (bytes.Length > LongestCluster || !_rules.TryShortest(bytes, out ReadOnlySpan<byte> replacement)) return false;
        int oldCount = 0, newCount = 0;
        foreach (Rune _ in part.EnumerateRunes()) oldCount++;
        foreach (Rune rune in Encoding.UTF8.GetString(replacement).EnumerateRunes()) changes.Add(rune.Value, newCount++ < oldCount ? 0 : 1);
        if (newCount < oldCount) changes.TakeMore(oldCount - newCount);
        return true;
    }
}
