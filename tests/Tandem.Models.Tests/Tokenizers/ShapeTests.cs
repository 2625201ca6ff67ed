using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Cutting, padding, cleaned text, and parts that came late: what is around the tokens of a text.</summary>
public sealed class ShapeTests
{
    private static readonly string Units = Path.Combine(TokenizerGoldens.Folder, "units");

    [Fact]
    public void Truncation_and_padding_give_the_golden_batches()
    {
        Tokenizer tokenizer = Load(TokenizerGoldens.Read(Units, "truncation_padding.tokenizer.json"));
        List<JsonElement> rows = TokenizerGoldens.Lines(Units, "truncation_padding.jsonl");
        (string, string?)[] texts = [.. rows[0].GetProperty("texts").EnumerateArray().Select(t => t.ValueKind == JsonValueKind.String ? (t.GetString()!, null) : (t[0].GetString()!, t[1].GetString()))];
        int refused = 0;
        foreach (JsonElement row in rows.Skip(1))
        {
            // Through the file, as both would be given there.
            Tokenizer shaped = Load(With(tokenizer, row.GetProperty("truncation"), row.GetProperty("padding")));
            if (row.TryGetProperty("error", out _))
            {
                refused++;
                Assert.Contains("truncation: ", Assert.Throws<TandemException>(() => shaped.EncodeForModel(texts, shaped.Truncation, shaped.Padding)).Message, StringComparison.Ordinal);
                continue;
            }

            TokenEncoding[] batch = shaped.EncodeForModel(texts, shaped.Truncation, shaped.Padding);
            JsonElement[] expected = [.. row.GetProperty("batch").EnumerateArray()];
            Assert.Equal(expected.Length, batch.Length);
            foreach ((JsonElement e, TokenEncoding b) in expected.Zip(batch))
            {
                Assert.Equal(e.Ints("ids"), b.Ids);
                Assert.Equal(e.Ints("type_ids"), b.TypeIds);
                Assert.Equal(e.Ints("attention_mask"), b.AttentionMask);
                Assert.Equal(e.Ints("special_tokens_mask"), b.SpecialTokensMask);
                Assert.Equal(e.GetProperty("offsets").EnumerateArray().Select(o => (o[0].GetInt32(), o[1].GetInt32())), b.Offsets(OffsetUnit.CodePoint));
                Assert.Equal(e.GetProperty("overflowing_ids").EnumerateArray().Select(o => o.EnumerateArray().Select(i => i.GetInt32()).ToArray()), b.Overflowing.Select(o => o.Ids));
            }
        }

        Assert.Equal((75, 60), (rows.Count - 1, refused));
    }

    [Fact]
    public void Only_one_of_a_pair_is_cut_where_that_is_asked_for()
    {
        Tokenizer tokenizer = Load(TokenizerGoldens.Read(Units, "truncation_padding.tokenizer.json"));
        TokenEncoding whole = tokenizer.EncodeForModel([("a b", "the king and the queen of the realm")], null, null)[0];
        int length = whole.Tokens.Count - 3;
        TokenEncoding cut = tokenizer.EncodeForModel([("a b", "the king and the queen of the realm")], new Truncation(length) { Strategy = TruncationStrategy.OnlySecond, Stride = 1 }, null)[0];
        Assert.Equal(length, cut.Tokens.Count);
        Assert.Equal(whole.Tokens.Where(t => t.Sequence == 0), cut.Tokens.Where(t => t.Sequence == 0));
        int[] second = [.. whole.Tokens.Where(t => t.Sequence == 1).Select(t => t.Id)];
        Assert.Equal(second[..^3], cut.Tokens.Where(t => t.Sequence == 1).Select(t => t.Id));
        Assert.Equal(second[^4..], cut.Overflowing[0].Tokens.Where(t => t.Sequence == 1).Select(t => t.Id));
        Assert.Contains("wanted less than the 1 tokens", Assert.Throws<TandemException>(() => tokenizer.EncodeForModel([("a b c", null)], new Truncation(3) { Stride = 1 }, null)).Message, StringComparison.Ordinal);
        Assert.Contains("has no room for the 2 special tokens", Assert.Throws<TandemException>(() => tokenizer.EncodeForModel([("a b c", null)], new Truncation(1), null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Decoding_cleans_spaces_as_transformers_does()
    {
        int cleaned = 0;
        foreach (IGrouping<string, JsonElement> rows in TokenizerGoldens.Lines(Units, "transformers_decode.jsonl").GroupBy(r => r.Text("tokenizer")!))
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, rows.Key));
            foreach (JsonElement row in rows)
            {
                int[] ids = row.Ints("ids");
                Assert.Equal(row.Text("plain"), tokenizer.Decode(ids, skipSpecial: false));
                Assert.Equal(row.Text("no_cleanup"), tokenizer.Decode(ids, skipSpecial: false));
                Assert.Equal(row.Text("skip_special"), tokenizer.Decode(ids));
                Assert.Equal(row.Text("cleanup"), tokenizer.DecodeCleaned(ids, skipSpecial: false));
                if (row.Text("cleanup") != row.Text("plain")) cleaned++;
            }
        }

        Assert.Equal(31, cleaned);
    }

    [Fact]
    public void Models_of_characters_work_behind_byte_level()
    {
        const string Json = """
            { "added_tokens": [], "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "use_regex": true }, "decoder": { "type": "ByteLevel" },
              "model": { "type": "WordLevel", "unk_token": "?", "vocab": { "?": 0, "a": 1, "Ġé": 2, "ĠÃ©": 3 } } }
            """;
        Tokenizer tokenizer = Load(System.Text.Encoding.UTF8.GetBytes(Json));
        TokenEncoding encoding = tokenizer.EncodeWithOffsets("a é");
        Assert.Equal([1, 3], encoding.Ids);
        Assert.Equal([(0, 1), (1, 3)], encoding.Offsets(OffsetUnit.Utf16));
        Assert.Equal("a é", tokenizer.Decode(encoding.Ids));
    }

    [Fact]
    public void Byte_level_in_a_sequence_decodes_and_streams()
    {
        const string Json = """{ "type": "Sequence", "decoders": [{ "type": "Replace", "pattern": { "Regex": "_+" }, "content": "Ġ" }, { "type": "ByteLevel" }, { "type": "Strip", "content": " ", "start": 1, "stop": 0 }] }""";
        using JsonDocument document = JsonDocument.Parse(Json);
        Decoder decoder = Decoder.Read(document.RootElement, "decoder")!;
        Assert.Equal("a é!", decoder.Decode(["__a", "_Ã", "©", "!"]));
        Assert.Equal("\ufffd", decoder.Decode(["Ã"]));
        Assert.Equal("", decoder.Decode([]));
    }

    private static byte[] With(Tokenizer tokenizer, JsonElement truncation, JsonElement padding)
    {
        string path = Path.GetTempFileName();
        TokenizerJson.Save(tokenizer, path);
        var json = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllBytes(path))!;
        File.Delete(path);
        if (truncation.ValueKind == JsonValueKind.Object)
        {
            var node = System.Text.Json.Nodes.JsonNode.Parse(truncation.GetRawText())!;
            node["strategy"] = node["strategy"]!.GetValue<string>() switch { "longest_first" => "LongestFirst", "only_first" => "OnlyFirst", _ => "OnlySecond" };
            node["direction"] = Side(node["direction"]!);
            json["truncation"] = node;
        }

        if (padding.ValueKind == JsonValueKind.Object)
        {
            var node = System.Text.Json.Nodes.JsonNode.Parse(padding.GetRawText())!;
            node["strategy"] = node["length"] is { } length ? new System.Text.Json.Nodes.JsonObject { ["Fixed"] = length.GetValue<int>() } : "BatchLongest";
            node["direction"] = Side(node["direction"]!);
            node["pad_token"] = "[PAD]";
            json["padding"] = node;
        }

        return JsonSerializer.SerializeToUtf8Bytes(json);

        static string Side(System.Text.Json.Nodes.JsonNode side) => side.GetValue<string>() == "left" ? "Left" : "Right";
    }

    private static Tokenizer Load(byte[] json)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, json);
            Tokenizer first = TokenizerJson.Load(path);
            TokenizerJson.Save(first, path);
            Tokenizer again = TokenizerJson.Load(path);
            Assert.Equal((first.Truncation, first.Padding), (again.Truncation, again.Padding));
            return again;
        }
        finally
        {
            File.Delete(path);
        }
    }
}
