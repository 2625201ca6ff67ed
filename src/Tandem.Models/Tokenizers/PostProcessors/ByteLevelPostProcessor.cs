using System.Text.Json;

namespace Tandem.Models;

/// <summary>Trims the white space of tokens from their offsets, where that is asked for.</summary>
internal sealed class ByteLevelPostProcessor(bool addPrefixSpace, bool trimOffsets, bool useRegex) : PostProcessor
{
    /// <inheritdoc/>
    public override EncodedToken Trim(EncodedToken token, bool first, string text) => trimOffsets ? TrimSpaces(token, first, text, addPrefixSpace) : token;

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => ByteLevelPreTokenizer.WriteByteLevel(json, addPrefixSpace, trimOffsets, useRegex);

    /// <summary>Reads the part.</summary>
    public static ByteLevelPostProcessor Parse(JsonElement part, string place) => new(
        PartJson.Bool(part, place, "add_prefix_space", true), PartJson.Bool(part, place, "trim_offsets", true), PartJson.Bool(part, place, "use_regex", true));

    /// <summary>Moves the offsets over leading and trailing spaces. One space at the start of a text is the one that was put there, if it was.</summary>
    public static EncodedToken TrimSpaces(EncodedToken token, bool first, string text, bool addPrefixSpace)
    {
        int leading = token.Text.TakeWhile(IsSpace).Count(), trailing = token.Text.Reverse().TakeWhile(IsSpace).Count();
        if (leading == 1 && addPrefixSpace && (first || token.Start == 0)) leading = 0;
        int start = token.Start, end = token.End;
        for (; leading > 0 && start < end; leading--) start += start + 1 < text.Length && char.IsSurrogatePair(text[start], text[start + 1]) ? 2 : 1;
        for (; trailing > 0 && end > start; trailing--) end -= end >= 2 && char.IsSurrogatePair(text[end - 2], text[end - 1]) ? 2 : 1;
        return token with { Start = start, End = end };
    }

    private static bool IsSpace(char c) => c == ByteAlphabet.Characters[' '] || char.IsWhiteSpace(c);
}
