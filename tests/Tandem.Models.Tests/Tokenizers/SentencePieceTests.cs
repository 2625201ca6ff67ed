using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>SentencePiece models against SentencePiece's own results, and damaged ones.</summary>
public sealed class SentencePieceTests : IDisposable
{
    private static readonly string Goldens = Path.Combine(TokenizerGoldens.Folder, "spm_models");

    private readonly CheckpointFiles _files = new();

    public static TheoryData<string> Models => ["bpe_bytes", "bpe_no_dummy_prefix", "bpe_plain", "unigram_bytes_user_symbols", "unigram_plain"];

    public void Dispose() => _files.Dispose();

    [Theory]
    [MemberData(nameof(Models))]
    public void Cases_are_those_of_the_golden(string name)
    {
        File.WriteAllBytes(_files.At("m.model"), TokenizerGoldens.Read(Goldens, name + ".model"));
        Tokenizer plain = TokenizerFiles.Load(_files.At("m.model")), both = TokenizerFiles.LoadSentencePiece(_files.At("m.model"), addBos: true, addEos: true);
        foreach (JsonElement row in TokenizerGoldens.Lines(Goldens, name + ".cases.jsonl"))
        {
            string text = row.Text("text")!;
            int[] ids = row.Ints("ids");
            Assert.Equal(ids, plain.Encode(text));
            Assert.Equal(row.Ints("ids_bos_eos"), both.Encode(text, addSpecial: true));
            TokenEncoding encoding = plain.EncodeWithOffsets(text);
            Assert.Equal(ids, encoding.Ids);
            Assert.Equal(row.Strings("pieces"), encoding.Tokens.Select(t => t.Text));
            Assert.Equal(row.GetProperty("byte_offsets").EnumerateArray().Select(o => (o[0].GetInt32(), o[1].GetInt32())), encoding.Offsets(OffsetUnit.Utf8));
            Assert.Equal(row.Strings("surfaces"), encoding.Tokens.Select(t => text[t.Start..t.End]));
            Assert.Equal(row.Text("normalized"), plain.Parts.Normalizer!.Apply(text));
            Assert.Equal(row.Text("decoded"), plain.Decode(ids));
            var decoder = new TokenDecoder(plain);
            Assert.Equal(row.Text("decoded"), string.Concat(ids.Select(decoder.Append)) + decoder.Flush());
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Pieces_scores_types_and_flags_are_those_of_the_golden(string name)
    {
        SentencePieceFile file = SentencePieceFile.Read(TokenizerGoldens.Read(Goldens, name + ".model"));
        JsonElement info = JsonDocument.Parse(TokenizerGoldens.Read(Goldens, name + ".info.json")).RootElement;
        Assert.Equal(info.Text("model_type") == "BPE" ? 2 : 1, file.ModelType);
        Assert.Equal(info.GetProperty("byte_fallback").GetBoolean(), file.ByteFallback);
        Assert.Equal(info.Text("unk_surface"), file.UnknownSurface);
        Assert.Equal(info.GetProperty("add_dummy_prefix").GetBoolean(), file.Normalizer.AddDummyPrefix);
        Assert.Equal(info.GetProperty("remove_extra_whitespaces").GetBoolean(), file.Normalizer.RemoveExtraWhitespaces);
        Assert.Equal(info.GetProperty("escape_whitespaces").GetBoolean(), file.Normalizer.EscapeWhitespaces);
        Assert.Equal(info.GetProperty("precompiled_charsmap_bytes").GetInt32() > 0, file.Normalizer.Rules != null);
        Assert.Equal(
            info.GetProperty("pieces").EnumerateArray().Select(p => (p[0].GetString()!, p[1].GetSingle(), p[2].GetString()!.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant())),
            file.Pieces.Select(p => (p.Text, p.Score, p.Type.ToString().ToUpperInvariant())));
    }

    [Fact]
    public void Control_symbols_are_text_unless_they_are_parsed()
    {
        Tokenizer tokenizer = Make("bpe_bytes");
        Assert.DoesNotContain(1, tokenizer.Encode("<s>a</s>"));
        int[] parsed = tokenizer.Encode("<s>a</s>", SpecialTokens.Parse);
        Assert.Equal((1, 2), (parsed[0], parsed[^1]));
        Assert.Equal("a", tokenizer.Decode(parsed));
        Assert.Equal("<s>a</s>", tokenizer.Decode(parsed, skipSpecial: false).Replace(" ", "", StringComparison.Ordinal));
    }

    [Fact]
    public void What_has_no_form_in_json_is_not_written()
    {
        foreach (string name in (string[])["bpe_bytes", "unigram_plain"])
        {
            string path = _files.At("tokenizer.json");
            Assert.Contains("no form in tokenizer.json", Assert.Throws<TandemException>(() => TokenizerJson.Save(Make(name), path)).Message, StringComparison.Ordinal);
            Assert.False(File.Exists(path));
        }
    }

    [Theory]
    [InlineData(new byte[0], "no pieces")]
    [InlineData(new byte[] { 0x0A, 0x05, 0x0A }, "byte 2: field 1 has 5 bytes; 1 are left")]
    [InlineData(new byte[] { 0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1 }, "more than 10 bytes")]
    [InlineData(new byte[] { 0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F }, "field 1 has")]
    [InlineData(new byte[] { 0x0A, 0x80 }, "ends within a field")]
    [InlineData(new byte[] { 0x0A, 0x03, 0x0A, 0x01, 0xFF }, "byte 5: field 1 is not UTF-8")]
    [InlineData(new byte[] { 0x0A, 0x03, 0x0A, 0x09, 0x41 }, "byte 4: field 1 has 9 bytes; 1 are left")]
    [InlineData(new byte[] { 0x0B }, "wire type 3")]
    [InlineData(new byte[] { 0x02, 0x00 }, "field number 0")]
    [InlineData(new byte[] { 0x08, 0x00 }, "field 1 has wire type 0, wanted 2")]
    [InlineData(new byte[] { 0x0A, 0x05, 0x0A, 0x01, 0x41, 0x18, 0x09 }, "pieces[0]: type 9")]
    [InlineData(new byte[] { 0x0A, 0x02, 0x18, 0x01 }, "pieces[0]: is empty")]
    [InlineData(new byte[] { 0x0A, 0x03, 0x0A, 0x01, 0x41 }, "0 are of type unknown")]
    [InlineData(new byte[] { 0x0A, 0x05, 0x0A, 0x01, 0x41, 0x18, 0x02, 0x0A, 0x03, 0x0A, 0x01, 0x41 }, "pieces[1]: 'A' is there twice")]
    [InlineData(new byte[] { 0x0A, 0x05, 0x0A, 0x01, 0x41, 0x18, 0x02, 0x12, 0x02, 0x18, 0x03 }, "model_type: 3 is not supported")]
    [InlineData(new byte[] { 0x0A, 0x05, 0x0A, 0x01, 0x41, 0x18, 0x02, 0x12, 0x03, 0x98, 0x02, 0x01 }, "byte 0 has no piece")]
    [InlineData(new byte[] { 0x0A, 0x05, 0x0A, 0x01, 0x41, 0x18, 0x02, 0x1A, 0x03, 0x12, 0x01, 0x41 }, "precompiled_charsmap")]
    public void Malformed_models_are_refused_with_the_place(byte[] bytes, string expected) =>
        Assert.Contains(expected, Assert.Throws<TandemException>(() => SentencePieceTokenizer.Make(SentencePieceFile.Read(bytes))).Message, StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Models))]
    public void Damaged_models_are_read_or_refused_never_anything_else(string name)
    {
        byte[] whole = TokenizerGoldens.Read(Goldens, name + ".model");
        var random = new Random(7);
        int read = 0, refused = 0;
        for (int i = 0; i < 60; i++)
        {
            byte[] bytes = Mutations.Of(whole, random);
            try
            {
                Tokenizer tokenizer = SentencePieceTokenizer.Make(SentencePieceFile.Read(bytes));
                int[] ids = tokenizer.Encode("Hello, y'all!  ﷺ ①２ 日本\n\n[INST] singing", SpecialTokens.Parse);
                Assert.NotNull(tokenizer.Decode(ids));
                read++;
            }
            catch (TandemException)
            {
                refused++;
            }
        }

        Assert.Equal(60, read + refused);
        Assert.True(refused > 0);
    }

    [Fact]
    public void Any_text_comes_back_where_bytes_are_pieces()
    {
        Tokenizer tokenizer = Make("bpe_no_dummy_prefix");
        Gen.String.Sample(text =>
        {
            string valid = string.Concat(text.Where(c => !char.IsSurrogate(c))).Replace('\u2581', '_');
            int[] ids = tokenizer.Encode(valid);
            Assert.Equal(ids, tokenizer.EncodeWithOffsets(valid).Ids);
            Assert.Equal(valid, tokenizer.Decode(ids));
        });
    }

    [Theory]
    [InlineData(' ')]
    [InlineData('a')]
    [InlineData('\u4e2d')]
    [InlineData('\n')]
    [InlineData('\ufdfa')]
    public void Long_runs_of_one_character_are_encoded(char c)
    {
        foreach (string name in Models.Select(m => m.Data))
        {
            Tokenizer tokenizer = Make(name);
            string text = new(c, 200_000);
            Assert.NotNull(tokenizer.Decode(tokenizer.Encode(text)));
        }
    }

    [Fact]
    public void The_model_behind_llama_2_gives_its_ids()
    {
        string? model = CheckpointFiles.SharedData("tokenizers/llama-2.tokenizer.model");
        Assert.SkipWhen(model == null, "shared/data/tokenizers is not beside the repository");
        Tokenizer tokenizer = TokenizerFiles.Load(model!);
        GgufTokenizerTests.Check(tokenizer, Path.Combine(Path.GetDirectoryName(model)!, "ggml-vocab-llama-spm.gguf"));
    }

    private static Tokenizer Make(string name) => SentencePieceTokenizer.Make(SentencePieceFile.Read(TokenizerGoldens.Read(Goldens, name + ".model")));
}
