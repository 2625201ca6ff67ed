using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>Comparisons of the rows of a tokenizer's files; everything is exact.</summary>
internal static class TokenizerRows
{
    /// <summary>Texts: ids, tokens, offsets, both decodings; where special tokens are added, which they are.</summary>
    public static void CompareTexts(Tokenizer tokenizer, JsonElement[] rows, Checks checks) => checks.Rows("row", rows, row =>
    {
        string text = Text(row, "text");
        SpecialTokens special = row.GetProperty("split_special_tokens").GetBoolean() ? SpecialTokens.AsText : SpecialTokens.Parse;
        bool added = row.GetProperty("add_special_tokens").GetBoolean();
        int[] expected = Ints(row, "ids");
        TokenEncoding encoding = tokenizer.EncodeWithOffsets(text, addSpecial: added, special: special);
        return In(row, "ids", Checks.FirstDifference(expected, tokenizer.Encode(text, added, special)))
            ?? Tokens(row, encoding)
            ?? In(row, "decoded", Difference(Text(row, "decoded"), tokenizer.Decode(expected, skipSpecial: false)))
            ?? In(row, "decoded_skip_special", Difference(Text(row, "decoded_skip_special"), tokenizer.Decode(expected, skipSpecial: true)));
    });

    /// <summary>Pairs of texts through the post-processor.</summary>
    public static void ComparePairs(Tokenizer tokenizer, JsonElement[] rows, Checks checks) => checks.Rows("row", rows, row =>
    {
        TokenEncoding encoding = tokenizer.EncodeWithOffsets(Text(row, "text"), Text(row, "pair"), addSpecial: true, SpecialTokens.Parse);
        int?[] sequences = [.. row.GetProperty("sequence_ids").EnumerateArray().Select(s => s.ValueKind == JsonValueKind.Null ? (int?)null : s.GetInt32())];
        return Tokens(row, encoding)
            ?? In(row, "sequence_ids", Checks.FirstDifference(sequences, [.. encoding.Tokens.Select(t => t.Sequence < 0 ? (int?)null : t.Sequence)]))
            ?? In(row, "decoded_skip_special", Difference(Text(row, "decoded_skip_special"), tokenizer.Decode(Ints(row, "ids"), skipSpecial: true)));
    });

    /// <summary>Tokens one by one: what each makes printable, and what is left at the end.</summary>
    public static void CompareStreams(Tokenizer tokenizer, JsonElement[] rows, Checks checks) => checks.Rows("row", rows, row =>
    {
        var decoder = new TokenDecoder(tokenizer);
        int[] ids = Ints(row, "ids");
        string[] chunks = [.. ids.Select(decoder.Append)];
        return In(row, "chunks", Checks.FirstDifference(Texts(row, "chunks"), chunks))
            ?? In(row, "flush", Difference(Text(row, "flush"), decoder.Flush()))
            ?? In(row, "batch", Difference(Text(row, "batch"), tokenizer.Decode(ids, skipSpecial: true)));
    });

    private static string? Tokens(JsonElement row, TokenEncoding encoding)
    {
        (int, int)[] offsets = [.. row.GetProperty("offsets").EnumerateArray().Select(o => (o[0].GetInt32(), o[1].GetInt32()))];
        return In(row, "ids with offsets", Checks.FirstDifference(Ints(row, "ids"), encoding.Ids))
            ?? In(row, "tokens", Checks.FirstDifference(Texts(row, "tokens"), [.. encoding.Tokens.Select(t => t.Text)]))
            ?? In(row, "offsets", Checks.FirstDifference(offsets, encoding.Offsets(OffsetUnit.CodePoint)))
            ?? Optional(row, "special_tokens_mask", encoding, t => t.Sequence < 0 ? 1 : 0)
            ?? Optional(row, "type_ids", encoding, t => t.TypeId)
            ?? Optional(row, "attention_mask", encoding, _ => 1);
    }

    private static string? Optional(JsonElement row, string field, TokenEncoding encoding, Func<EncodedToken, int> value) =>
        row.TryGetProperty(field, out _) ? In(row, field, Checks.FirstDifference(Ints(row, field), [.. encoding.Tokens.Select(value)])) : null;

    private static string? In(JsonElement row, string field, string? difference)
    {
        if (difference == null) return null;
        string name = row.TryGetProperty("text", out JsonElement text) ? text.GetRawText() : row.GetProperty("note").GetRawText();
        return $"{field} {difference} (of {(name.Length > 80 ? name[..80] + "..." : name)})";
    }

    private static string? Difference(string expected, string actual) => Checks.FirstDifference([expected], [actual]);

    private static string Text(JsonElement row, string property) => row.GetProperty(property).GetString()!;

    private static string[] Texts(JsonElement row, string property) => [.. row.GetProperty(property).EnumerateArray().Select(t => t.GetString()!)];

    private static int[] Ints(JsonElement row, string property) => [.. row.GetProperty(property).EnumerateArray().Select(t => t.GetInt32())];
}
