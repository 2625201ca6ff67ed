using System.Globalization;
using System.Text;
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

    /// <summary>SentencePiece's rows: pieces, surfaces, offsets in bytes of the original, the normalized text, decoding, and ids with both ends.</summary>
    public static void CompareSentencePiece(Tokenizer tokenizer, Tokenizer both, JsonElement[] rows, Checks checks) => checks.Rows("row", rows, row =>
    {
        string text = Text(row, "text");
        int[] ids = Ints(row, "ids");
        TokenEncoding encoding = tokenizer.EncodeWithOffsets(text);
        (int, int)[] offsets = [.. row.GetProperty("byte_offsets").EnumerateArray().Select(o => (o[0].GetInt32(), o[1].GetInt32()))];
        return In(row, "ids", Checks.FirstDifference(ids, tokenizer.Encode(text)))
            ?? In(row, "ids with offsets", Checks.FirstDifference(ids, encoding.Ids))
            ?? In(row, "ids_bos_eos", Checks.FirstDifference(Ints(row, "ids_bos_eos"), both.Encode(text, addSpecial: true)))
            ?? In(row, "pieces", Checks.FirstDifference(Texts(row, "pieces"), [.. encoding.Tokens.Select(t => t.Text)]))
            ?? In(row, "byte_offsets", Checks.FirstDifference(offsets, encoding.Offsets(OffsetUnit.Utf8)))
            ?? In(row, "surfaces", Checks.FirstDifference(Texts(row, "surfaces"), [.. encoding.Tokens.Select(t => text[t.Start..t.End])]))
            ?? In(row, "normalized", Difference(Text(row, "normalized"), tokenizer.Parts.Normalizer!.Apply(text)))
            ?? In(row, "decoded", Difference(Text(row, "decoded"), tokenizer.Decode(ids)));
    });

    /// <summary>tiktoken's rows: ids without and with special tokens, the tokens' bytes, decoding, and whether special tokens are refused.</summary>
    public static void CompareTiktoken(Tokenizer tokenizer, JsonElement[] rows, Checks checks) => checks.Rows("row", rows, row =>
    {
        string text = Text(row, "text");
        int[] ids = Ints(row, "ids_ordinary");
        return In(row, "ids_ordinary", Checks.FirstDifference(ids, tokenizer.Encode(text)))
            ?? In(row, "ids_specials_allowed", Checks.FirstDifference(Ints(row, "ids_specials_allowed"), tokenizer.Encode(text, SpecialTokens.Parse)))
            ?? In(row, "token_bytes_hex", Checks.FirstDifference(Texts(row, "token_bytes_hex"), [.. ids.Select(id => Convert.ToHexStringLower(tokenizer.Bytes(id)))]))
            ?? In(row, "decoded", Difference(Text(row, "decoded"), tokenizer.Decode(ids)))
            ?? In(row, "default_raises", Checks.FirstDifference([row.GetProperty("default_raises").GetBoolean()], [Refuses(tokenizer, text)]));
    });

    /// <summary>llama.cpp's files of texts and of the ids expected for each, a line a text, without special tokens around.</summary>
    public static void CompareLines(Tokenizer tokenizer, byte[] texts, byte[] ids, Checks checks)
    {
        string[] inputs = Encoding.UTF8.GetString(texts).Split("\n__ggml_vocab_test__\n"), lines = Encoding.UTF8.GetString(ids).Split('\n');
        checks.Rows("text", inputs[..Math.Min(inputs.Length, lines.Length)].Zip(lines).ToArray(), pair =>
        {
            int[] expected = [.. pair.Second.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(t => int.Parse(t, CultureInfo.InvariantCulture))];
            return Checks.FirstDifference(expected, tokenizer.Encode(pair.First)) is { } difference ? $"ids {difference} (of {JsonSerializer.Serialize(pair.First)})" : null;
        });
    }

    private static bool Refuses(Tokenizer tokenizer, string text)
    {
        try
        {
            tokenizer.Encode(text, SpecialTokens.Forbid);
            return false;
        }
        catch (TandemException)
        {
            return true;
        }
    }

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
