using System.Globalization;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>BERT's rules: controls taken away and white space made spaces, spaces around Chinese characters, accents taken away, lower case.</summary>
internal sealed class BertNormalizer(bool cleanText, bool handleChinese, bool stripAccents, bool lowercase) : Normalizer
{
    private static readonly Normalizer Decomposition = new UnicodeNormalizer(compatibility: false, compose: false), Accents = new StripAccentsNormalizer(onlyNonspacing: true);
    private static readonly Normalizer Lower = new LowercaseNormalizer(), Clean = new CleanText();

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        if (cleanText) text = Clean.Apply(text);
        if (handleChinese) text = SpaceChinese(text);
        if (stripAccents) text = Accents.Apply(Decomposition.Apply(text));
        return lowercase ? Lower.Apply(text) : text;
    }

    /// <summary>Reads the part. Without a word on accents they go where the case goes.</summary>
    public static BertNormalizer Parse(JsonElement part, string place)
    {
        bool lowercase = PartJson.Bool(part, place, "lowercase", true);
        bool strip = PartJson.IsNull(part, "strip_accents") ? lowercase : PartJson.Bool(part, place, "strip_accents", lowercase);
        return new BertNormalizer(PartJson.Bool(part, place, "clean_text", true), PartJson.Bool(part, place, "handle_chinese_chars", true), strip, lowercase);
    }

    private static AlignedText SpaceChinese(AlignedText text)
    {
        AlignedTextBuilder? built = null;
        int done = 0;
        for (int at = 0; at < text.Text.Length;)
        {
            int start = at, codePoint = CharSet.CodePointAt(text.Text, at, out int length);
            at += length;
            if (!IsChinese(codePoint)) continue;
            built ??= new AlignedTextBuilder(2 * text.Text.Length);
            built.Append(text.Slice(done, start - done));
            foreach (int c in (ReadOnlySpan<int>)[' ', codePoint, ' ']) built.Append(c, text.StartOf(start), text.EndOf(at - 1));
            done = at;
        }

        if (built == null) return text;
        built.Append(text.Slice(done, text.Text.Length - done));
        return built.Build();
    }

    // The blocks as BERT lists them; extension E starts late there.
    private static bool IsChinese(int c) => c is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    private sealed class CleanText : CharacterNormalizer
    {
        protected override int Map(int codePoint)
        {
            if (codePoint is > 32 and < 127) return codePoint;
            if (codePoint is 0 or 0xFFFD) return Removed;

            // Of the controls three are white space here; the others go.
            UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(codePoint);
            if (category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse && codePoint is not ('\t' or '\n' or '\r')) return Removed;
            return codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint) ? ' ' : codePoint;
        }
    }
}
