using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>Comparisons of the rows of a tokenizer's files; everything is exact.</summary>
internal static class TokenizerRows
{
    /// <summary>Texts: ids, tokens, both decodings.</summary>
    public static void CompareTexts(Tokenizer tokenizer, JsonElement[] rows, Checks checks)
    {
        checks.Rows("row", [.. rows.Where(r => !r.GetProperty("add_special_tokens").GetBoolean())], row =>
        {
            SpecialTokens special = row.GetProperty("split_special_tokens").GetBoolean() ? SpecialTokens.AsText : SpecialTokens.Parse;
            int[] expected = Ints(row, "ids"), ids = tokenizer.Encode(row.GetProperty("text").GetString()!, special);
            return In(row, "ids", Checks.FirstDifference(expected, ids))
                ?? In(row, "tokens", Checks.FirstDifference(Texts(row, "tokens"), [.. ids.Select(tokenizer.TokenText)]))
                ?? In(row, "decoded", Difference(Text(row, "decoded"), tokenizer.Decode(expected, skipSpecial: false)))
                ?? In(row, "decoded_skip_special", Difference(Text(row, "decoded_skip_special"), tokenizer.Decode(expected, skipSpecial: true)));
        });
    }

    /// <summary>Pairs of texts through the post-processor.</summary>
    public static void ComparePairs(Tokenizer tokenizer, JsonElement[] rows, Checks checks) => throw new UnsupportedException("pairs");

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
