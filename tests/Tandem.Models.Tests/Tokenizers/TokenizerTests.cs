using System.Text;
using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Tokenizers against the results of Hugging Face's tokenizers: every case of every folder.</summary>
public sealed class TokenizerTests
{
    public static TheoryData<string> Folders => [.. Directory.GetDirectories(TokenizerGoldens.Folder).Where(f => TokenizerGoldens.Exists(f, "cases.jsonl")).Select(f => Path.GetFileName(f)!).Order()];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Cases_pairs_and_streams_are_those_of_the_golden(string name)
    {
        string folder = Path.Combine(TokenizerGoldens.Folder, name);
        Tokenizer tokenizer = TokenizerGoldens.Load(folder);
        Check(tokenizer, folder);

        // What is written is the same tokenizer.
        string path = Path.Combine(Directory.CreateTempSubdirectory("tandem-tokenizer-").FullName, TokenizerJson.FileName);
        TokenizerJson.Save(tokenizer, path);
        Check(TokenizerJson.Load(path), folder);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Theory]
    [InlineData("gpt_neox_20b")]
    [InlineData("minimind")]
    [InlineData("bert_base_uncased")]
    [InlineData("t5_small")]
    public void Tokenizers_of_published_models_agree_too(string name)
    {
        string? folder = CheckpointFiles.Shared(Path.Combine("tokenizers", "real", name));
        Assert.SkipWhen(folder is null, $"shared/goldens/tokenizers/real/{name} is not beside the repository");
        Check(TokenizerGoldens.Load(folder), folder);
    }

    [Fact]
    public void Kinds_that_are_not_built_are_refused_by_name()
    {
        foreach (string part in (string[])["normalizer", "pre_tokenizer", "post_processor", "decoder", "model"])
        {
            string json = Json(part, """{ "type": "Unheard" }""");
            TandemException error = Assert.Throws<TandemException>(() => Load(json));
            Assert.Contains($"{part}: 'Unheard' is not supported; there are ", error.Message, StringComparison.Ordinal);
        }

        string split = Json("pre_tokenizer", """{ "type": "Split", "pattern": { "Regex": "(a)\\1" }, "behavior": "Isolated", "invert": false }""");
        Assert.Contains("pre_tokenizer.pattern.Regex: a back-reference at 3 of '(a)\\1' is not supported", Assert.Throws<TandemException>(() => Load(split)).Message, StringComparison.Ordinal);
        string dropout = Json("model", """{ "type": "BPE", "dropout": 0.1, "vocab": {}, "merges": [] }""");
        Assert.Contains("model.dropout: 0.1 is not supported", Assert.Throws<TandemException>(() => Load(dropout)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "type": "BPE", "vocab": { "a": -1 }, "merges": [] }""", "model.vocab['a']: -1")]
    [InlineData("""{ "type": "BPE", "vocab": { "a": 2000000000 }, "merges": [] }""", "2000000000")]
    [InlineData("""{ "type": "BPE", "vocab": [], "merges": [] }""", "model.vocab")]
    [InlineData("""{ "type": "BPE", "vocab": { "a": 0 }, "merges": [] }""", "byte 0")]
    [InlineData("""{ "type": "BPE", "vocab": { "a": 0 }, "merges": ["ab"] }""", "model.merges[0]")]
    [InlineData("""{ "type": "Unigram", "vocab": [["a", 1e999]] }""", "model.vocab[0]")]
    [InlineData("""{ "type": "Unigram", "vocab": [["a", 0], ["a", 0]] }""", "model.vocab[1]: the token 'a'")]
    [InlineData("""{ "type": "Unigram", "vocab": [["a", 0]], "unk_id": 1 }""", "model.unk_id: 1")]
    [InlineData("""{ "type": "Unigram", "vocab": [["a"]] }""", "model.vocab[0]")]
    [InlineData("""{ "type": "WordPiece", "vocab": { "a": 0 }, "unk_token": "u" }""", "model.unk_token: 'u'")]
    [InlineData("""{ "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "u" }""", "model.unk_token: 'u'")]
    [InlineData("""{ "type": "BPE", "byte_fallback": true, "vocab": { "a": 0 }, "merges": [["a", "b"]] }""", "model.merges[0]: the token 'b'")]
    [InlineData("""7""", "model: 7")]
    public void Malformed_models_are_refused_with_the_place(string model, string expected)
    {
        string json = Json("model", model);
        if (!model.Contains("BPE", StringComparison.Ordinal)) json = json.Replace("\"ByteLevel\", \"use_regex\"", "\"Whitespace\", \"use_regex\"", StringComparison.Ordinal);
        Assert.Contains(expected, Assert.Throws<TandemException>(() => Load(json)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(' ', 1_000_000)]
    [InlineData('a', 1_000_000)]
    [InlineData('\u0301', 1_000_000)]
    [InlineData('\u2581', 1_000_000)]
    [InlineData('\u4e2d', 1_000_000)]
    [InlineData('!', 1_000_000)]
    [InlineData('\ufdfa', 50_000)] // 18 characters in compatibility form
    public void Long_runs_of_one_character_are_encoded_by_all_models(char c, int count)
    {
        string text = new(c, count);
        foreach (string name in (string[])["bpe_clip_end_of_word", "spm_bpe_llama2_legacy", "spm_bpe_metaspace_first", "unigram_t5", "unigram_xlmr", "wordlevel_whitespace", "wordpiece_bert_uncased"])
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name));
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(ids, tokenizer.EncodeWithOffsets(text).Ids);
            Assert.NotNull(tokenizer.Decode(ids));
        }
    }

    [Fact]
    public void Any_text_comes_back_from_byte_fallback()
    {
        Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, "spm_bpe_llama2_legacy"));
        Gen.String.Sample(text =>
        {
            string valid = string.Concat(text.Where(c => !char.IsSurrogate(c))).Replace('\u2581', '_');
            int[] ids = tokenizer.Encode(valid);
            Assert.Equal(ids, tokenizer.EncodeWithOffsets(valid).Ids);
            Assert.Equal(valid, tokenizer.Decode(ids));
            var decoder = new TokenDecoder(tokenizer);
            Assert.Equal(valid, string.Concat(ids.Select(decoder.Append)) + decoder.Flush());
        });
    }

    [Theory]
    [InlineData("-5.129043102264404", -5.129043102264404)]
    [InlineData("0", 0)]
    [InlineData("-0.5e1", -5)]
    [InlineData("1E+2", 100)]
    [InlineData("123456789012345678901234567890", 1.2345678901234568e29)]
    [InlineData("5e-320", 5e-320)]
    public void Scores_are_read_as_the_reference_reads_them(string number, double expected)
    {
        Assert.Equal(expected, UnigramScore.Parse(number), 15);
        Assert.Equal(UnigramScore.Parse(number), UnigramScore.Parse(UnigramScore.Format(UnigramScore.Parse(number))));
    }

    [Fact]
    public void Special_tokens_in_a_text_are_parsed_taken_as_text_or_refused_as_asked()
    {
        Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, "bpe_gpt2"));
        const string Text = "a <|endoftext|>";
        Assert.Contains(0, tokenizer.Encode(Text, SpecialTokens.Parse));
        Assert.DoesNotContain(0, tokenizer.Encode(Text));
        Assert.Equal(Text, tokenizer.Decode(tokenizer.Encode(Text)));
        Assert.Contains("<|endoftext|>' at 2", Assert.Throws<TandemException>(() => tokenizer.Encode(Text, SpecialTokens.Forbid)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ids_beyond_the_vocabulary_are_refused()
    {
        Tokenizer tokenizer = Tokenizer.OfBytes("<eos>");
        Assert.Contains("257", Assert.Throws<TandemException>(() => tokenizer.Decode([257])).Message, StringComparison.Ordinal);
        Assert.Contains("-1", Assert.Throws<TandemException>(() => tokenizer.TokenText(-1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_byte_tokenizer_gives_the_bytes()
    {
        Tokenizer tokenizer = Tokenizer.OfBytes("<eos>");
        Gen.String.Where(s => !s.Any(char.IsSurrogate)).Sample(text =>
        {
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(Encoding.UTF8.GetBytes(text).Select(b => (int)b), ids);
            Assert.Equal(text, tokenizer.Decode(ids));
        });
        Assert.Equal([104, 105, 256], tokenizer.Encode("hi<eos>", SpecialTokens.Parse));
    }

    [Fact]
    public void Any_text_comes_back_and_batches_equal_single_texts()
    {
        foreach (string name in (string[])["bpe_gpt2", "bpe_cl100k", "bpe_deepseek_v3", "bpe_digits_smollm", "bpe_llama3_ignore_merges"])
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name));
            Gen.String[Gen.OneOf(Gen.Char, Gen.Char[' ', '~'], Gen.OneOf(Gen.Const(' '), Gen.Const('\n'), Gen.Const('\''), Gen.Const('s'), Gen.Const('L'), Gen.Const('1'), Gen.Const('é'), Gen.Const('中'))), 0, 60].Array[1, 8].Sample(
                texts =>
                {
                    string[] valid = [.. texts.Select(t => string.Concat(t.Where(c => !char.IsSurrogate(c))))];
                    int[][] batch = tokenizer.EncodeBatch(valid, threads: 2);
                    for (int i = 0; i < valid.Length; i++)
                    {
                        Assert.Equal(tokenizer.Encode(valid[i]), batch[i]);
                        Assert.Equal(tokenizer.EncodeWithOffsets(valid[i]).Ids, batch[i]);
                        Assert.Equal(valid[i], tokenizer.Decode(batch[i]));
                    }
                },
                iter: 200);
        }
    }

    [Theory]
    [InlineData(' ')]
    [InlineData('a')]
    [InlineData('\n')]
    [InlineData('\'')]
    [InlineData('\u0301')]
    [InlineData('1')]
    public void A_million_of_one_character_is_encoded(char c)
    {
        string text = new(c, 1_000_000);
        foreach (string name in (string[])["bpe_gpt2", "bpe_qwen2_nfc", "bpe_deepseek_v3", "bpe_neox_space_runs"])
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name));
            Assert.Equal(text.Length, tokenizer.Decode(tokenizer.Encode(text)).Length);
        }
    }

    [Fact]
    public void Encoding_known_words_allocates_nothing_but_the_result()
    {
        Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, "bpe_llama3_ignore_merges"));
        string text = string.Concat(Enumerable.Repeat("It's the 1st of 365 days,\nand nothing else... ", 200));
        var ids = new List<int>(text.Length);
        for (int i = 0; i < 3; i++) Encode();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Encode();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200);

        void Encode()
        {
            ids.Clear();
            tokenizer.Encode(text, ids);
        }
    }

    [Fact]
    public void Offsets_are_given_in_bytes_units_and_code_points()
    {
        TokenEncoding encoding = Tokenizer.OfBytes().EncodeWithOffsets("é😀!");
        Assert.Equal([(0, 2), (0, 2), (2, 6), (2, 6), (2, 6), (2, 6), (6, 7)], encoding.Offsets(OffsetUnit.Utf8));
        Assert.Equal([(0, 1), (0, 1), (1, 3), (1, 3), (1, 3), (1, 3), (3, 4)], encoding.Offsets(OffsetUnit.Utf16));
        Assert.Equal([(0, 1), (0, 1), (1, 2), (1, 2), (1, 2), (1, 2), (2, 3)], encoding.Offsets(OffsetUnit.CodePoint));
    }

    private static void Check(Tokenizer tokenizer, string folder)
    {
        foreach (JsonElement row in TokenizerGoldens.Lines(folder, "cases.jsonl"))
        {
            string text = row.Text("text")!;
            bool add = row.GetProperty("add_special_tokens").GetBoolean();
            SpecialTokens special = row.GetProperty("split_special_tokens").GetBoolean() ? SpecialTokens.AsText : SpecialTokens.Parse;
            int[] ids = row.Ints("ids");
            Assert.Equal(ids, tokenizer.Encode(text, add, special));
            TokenEncoding encoding = tokenizer.EncodeWithOffsets(text, null, add, special);
            CheckEncoding(row, encoding);
            Assert.Equal(row.Text("decoded"), tokenizer.Decode(ids, skipSpecial: false));
            Assert.Equal(row.Text("decoded_skip_special"), tokenizer.Decode(ids));
        }

        if (TokenizerGoldens.Exists(folder, "pairs.jsonl"))
        {
            foreach (JsonElement row in TokenizerGoldens.Lines(folder, "pairs.jsonl"))
            {
                TokenEncoding encoding = tokenizer.EncodeWithOffsets(row.Text("text")!, row.Text("pair"), addSpecial: true, SpecialTokens.Parse);
                CheckEncoding(row, encoding);
                int[] sequences = [.. row.GetProperty("sequence_ids").EnumerateArray().Select(s => s.ValueKind == JsonValueKind.Null ? -1 : s.GetInt32())];
                Assert.Equal(sequences, encoding.Tokens.Select(t => t.Sequence));
                Assert.Equal(row.Text("decoded_skip_special"), tokenizer.Decode(encoding.Ids));
            }
        }

        if (!TokenizerGoldens.Exists(folder, "stream.jsonl")) return;
        foreach (JsonElement row in TokenizerGoldens.Lines(folder, "stream.jsonl"))
        {
            var decoder = new TokenDecoder(tokenizer);
            Assert.Equal(row.Strings("chunks"), row.Ints("ids").Select(decoder.Append));
            Assert.Equal(row.Text("flush"), decoder.Flush());
            Assert.Equal(row.Text("batch"), tokenizer.Decode(row.Ints("ids")));
        }
    }

    private static void CheckEncoding(JsonElement row, TokenEncoding encoding)
    {
        Assert.Equal(row.Ints("ids"), encoding.Ids);
        Assert.Equal(row.Strings("tokens"), encoding.Tokens.Select(t => t.Text));
        Assert.Equal(row.GetProperty("offsets").EnumerateArray().Select(o => (o[0].GetInt32(), o[1].GetInt32())), encoding.Offsets(OffsetUnit.CodePoint));
        if (row.TryGetProperty("type_ids", out _)) Assert.Equal(row.Ints("type_ids"), encoding.Tokens.Select(t => t.TypeId));
        if (row.TryGetProperty("special_tokens_mask", out _)) Assert.Equal(row.Ints("special_tokens_mask"), encoding.Tokens.Select(t => t.Sequence < 0 ? 1 : 0));
    }

    private static string Json(string part, string value)
    {
        Dictionary<string, string> parts = new()
        {
            ["normalizer"] = "null",
            ["pre_tokenizer"] = """{ "type": "ByteLevel", "use_regex": false, "add_prefix_space": false }""",
            ["post_processor"] = "null",
            ["decoder"] = """{ "type": "ByteLevel" }""",
            ["model"] = $$"""{ "type": "BPE", "vocab": { {{string.Join(", ", Enumerable.Range(0, 256).Select(b => $"{JsonSerializer.Serialize(Tokenizer.OfBytes().TokenText(b))}: {b}"))}} }, "merges": [] }""",
        };
        parts[part] = value;
        return "{ " + string.Join(", ", parts.Select(p => $"\"{p.Key}\": {p.Value}")) + " }";
    }

    private static Tokenizer Load(string json)
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("tandem-tokenizer-").FullName, TokenizerJson.FileName);
        File.WriteAllText(path, json);
        try
        {
            return TokenizerJson.Load(path);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        }
    }
}
