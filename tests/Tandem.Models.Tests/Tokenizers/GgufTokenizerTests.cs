using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Tokenizers of GGUF files: real vocabularies with the ids expected of them, small ones made here, damaged ones.</summary>
public sealed class GgufTokenizerTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public static TheoryData<string> RealNames => ["gpt-2", "deepseek-llm", "llama-spm", "phi-3", "bert-bge"];

    public static TheoryData<string> PreTokenizerNames => [.. GgufPreTokenizers.Names];

    public void Dispose() => _files.Dispose();

    [Theory]
    [MemberData(nameof(RealNames))]
    public void Real_vocabularies_give_the_expected_ids(string name)
    {
        string? path = CheckpointFiles.SharedData($"tokenizers/ggml-vocab-{name}.gguf");
        Assert.SkipWhen(path == null, "shared/data/tokenizers is not beside the repository");
        Tokenizer tokenizer = TokenizerFiles.Load(path!);
        Check(tokenizer, path!);
        if (name is not ("gpt-2" or "deepseek-llm" or "bert-bge")) return;

        // What is written is the same tokenizer.
        TokenizerJson.Save(tokenizer, _files.At(TokenizerJson.FileName));
        Check(TokenizerFiles.Load(_files.Folder), path!);
    }

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("deepseek-llm")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    public void Any_text_comes_back_from_real_vocabularies(string name)
    {
        string? path = CheckpointFiles.SharedData($"tokenizers/ggml-vocab-{name}.gguf");
        Assert.SkipWhen(path == null, "shared/data/tokenizers is not beside the repository");
        Tokenizer tokenizer = TokenizerFiles.Load(path!);

        // DeepSeek has single letters, and Phi-3 an end of text, among the tokens that are cut out before anything else.
        bool Comes(char c) => !char.IsSurrogate(c) && c != '\u2581' && (name != "deepseek-llm" || c is < '\u00a1' or > '\u0143');
        Gen.String.Sample(
            text =>
            {
                string valid = string.Concat(text.Where(Comes));
                int[] ids = tokenizer.Encode(valid);
                Assert.Equal(ids, tokenizer.EncodeWithOffsets(valid).Ids);
                Assert.Equal(valid, tokenizer.Decode(ids));
            },
            iter: 300);
    }

    [Fact]
    public void The_prompts_of_a_real_model_have_its_ids()
    {
        string? path = CheckpointFiles.SharedData("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"), goldens = CheckpointFiles.Shared("smollm2/goldens.json");
        Assert.SkipWhen(path == null || goldens == null, "the shared data and goldens are not beside the repository");
        Tokenizer tokenizer = TokenizerFiles.Load(path!);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(goldens!));
        foreach (JsonElement row in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            Assert.Equal(row.Ints("ids"), tokenizer.Encode(row.Text("text")!, addSpecial: true, SpecialTokens.Parse));
            Assert.Equal(row.Text("greedy_text"), tokenizer.Decode(row.Ints("greedy_ids"), skipSpecial: false));
        }
    }

    [Theory]
    [MemberData(nameof(PreTokenizerNames))]
    public void Every_known_pre_tokenizer_is_loaded_and_written(string name)
    {
        Tokenizer tokenizer = Load(Bytes().Add("pre", name).Add("bos_token_id", 256u));
        const string Text = "Hello, I'LL pay $1234567 to 日本語のテキスト, naïve ÄPFEL été!\r\n\n   x  ";
        int[] ids = tokenizer.Encode(Text);
        Assert.Equal(Text, tokenizer.Decode(ids));
        TokenizerJson.Save(tokenizer, _files.At(TokenizerJson.FileName));
        Assert.Equal(Pieces(tokenizer, Text), Pieces(TokenizerFiles.Load(_files.Folder), Text));
    }

    [Theory]
    [InlineData("gpt-2", "a| | 12345|'|S| x| \n|\n|z")]
    [InlineData("smollm", "a|  |1|2|3|4|5|'|S| x| \n|\n|z")]
    [InlineData("llama-bpe", "a| | |123|45|'S| x| \n\n|z")]
    [InlineData("qwen2", "a| | |1|2|3|4|5|'S| x| \n\n|z")]
    [InlineData("falcon", "a| | |123|45|'|S| x| \n|\n|z")]
    [InlineData("default", "a| | |123|45|'|S| x| \n|\n|z")]
    [InlineData("superbpe", "a  |12|345|'S x \n\nz")]
    [InlineData("afmoe", "a|  |12|345|'S| x| \n\n|z")]
    [InlineData("tiny_aya", "a|  |12|345|'S| x| \n\n|z")]
    [InlineData("viking", "a| | |1|2|3|4|5|'S| x| \n\n|z")]
    public void Pre_tokenizers_cut_as_their_names_say(string name, string expected)
    {
        const string Text = "a  12345'S x \n\nz";
        List<Piece> pieces = [new(0, Text.Length)];
        Load(Bytes().Add("pre", name).Add("bos_token_id", 256u)).Parts.PreTokenizer!.Apply(new AlignedText(Text, 0), pieces);
        Assert.Equal(expected.Split('|'), pieces.Select(p => Text.Substring(p.Start, p.Length)));
    }

    [Fact]
    public void An_unknown_pre_tokenizer_or_model_is_refused_by_name()
    {
        Assert.Contains("tokenizer.ggml.pre: 'unheard' is not supported; there are default, gpt-2", Refused(Bytes().Add("pre", "unheard")), StringComparison.Ordinal);
        Assert.Contains("tokenizer.ggml.model: 'rwkv' is not supported; there are gpt2, llama, bert, t5", Refused(Bytes().Add("model", "rwkv")), StringComparison.Ordinal);
    }

    [Fact]
    public void Rare_bytes_without_a_token_are_left_out()
    {
        string[] tokens = [.. Enumerable.Range(0, 256).Select(b => b == 0xC3 ? "a\u00a9" : ByteAlphabet.Characters[b].ToString()), "<s>"];
        Tokenizer tokenizer = Load(Bytes().Add("tokens", tokens).Add("merges", ["a \u00a9"]));

        // The first byte of the letter has no token; what is left of it joins its neighbour.
        Assert.Equal([0xC3, 'b', 'c'], tokenizer.Encode("a\u00e9bc"));
        TokenizerJson.Save(tokenizer, _files.At(TokenizerJson.FileName));
        Assert.Equal([0xC3, 'b', 'c'], TokenizerFiles.Load(_files.Folder).EncodeWithOffsets("a\u00e9bc").Ids);
    }

    [Fact]
    public void Malformed_metadata_are_refused_with_key_and_place()
    {
        string[] tokens = [.. Enumerable.Range(0, 256).Select(b => ByteAlphabet.Characters[b].ToString()), "<s>"];
        Expect("tokenizer.ggml.tokens[257]: 'a' is there twice, first as 97", b => b.Add("tokens", [.. tokens, "a"]).Without("token_type"));
        Expect("tokenizer.ggml.token_type: 3 numbers for 257 tokens", b => b.Add("token_type", [1, 1, 1]));
        Expect("tokenizer.ggml.scores: 1 numbers for 257 tokens", b => b.Add("scores", [1f]));
        Expect("tokenizer.ggml.token_type[0]: 9", b => b.Add("token_type", [9, .. Enumerable.Repeat(1, 256)]));
        Expect("tokenizer.ggml.scores[1]: NaN", b => b.Add("scores", [0, float.NaN, .. Enumerable.Repeat(1f, 255)]));
        Expect("tokenizer.ggml.merges[1]: the token 'ab' is not in tokenizer.ggml.tokens", b => b.Add("tokens", [.. tokens, "bc"]).Without("token_type").Add("merges", ["b c", "a b"]));
        Expect("tokenizer.ggml.merges[0]: 'ab', wanted two tokens", b => b.Add("merges", ["ab"]));
        Expect("tokenizer.ggml.merges[0]: 'a '", b => b.Add("merges", ["a "]));
        Expect("tokenizer.ggml.bos_token_id: 999, wanted an id below 257", b => b.Add("add_bos_token", true).Add("bos_token_id", 999u));
        Expect("tokenizer.ggml.add_eos_token is true, but there is no tokenizer.ggml.eos_token_id", b => b.Add("add_eos_token", true));
        Expect("tokenizer.ggml.tokens: byte 97 ('a') has no token", b => b.Add("tokens", [.. tokens.Select((t, i) => i == 'a' ? "??" : t)]));
        Expect("tokenizer.ggml.tokens: 0 tokens", b => b.Add("tokens", Array.Empty<string>()).Without("token_type"));
        Expect("tokenizer.ggml.tokens", b => b.Without("tokens"));
        Expect("tokenizer.ggml.model", b => b.Without("model"));

        void Expect(string message, Action<GgufBuilder> change)
        {
            GgufBuilder builder = Bytes();
            change(builder);
            Assert.Contains(message, Refused(builder), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Flags_and_types_become_added_tokens_and_a_template()
    {
        Tokenizer tokenizer = Load(Llama().Add("add_eos_token", true));
        Assert.Equal([1, 3, 2], tokenizer.Encode("ab", addSpecial: true));
        Assert.Equal([1, 3, 2, 3, 2], tokenizer.EncodeWithOffsets("ab", "ab", addSpecial: true).Ids);
        Assert.True(tokenizer.IsSpecial(1));
        Assert.Contains(tokenizer.AddedTokens, t => t is { Content: "<user>", Special: false });
        Assert.Contains(8, tokenizer.Encode("<user>"));
        Assert.Equal("ab", tokenizer.Decode([1, 3, 2]));

        // Without the flag no space is put in front, and none is taken away.
        Tokenizer bare = Load(Llama().Add("add_space_prefix", false));
        Assert.Equal([5, 6], bare.Encode("ab"));
        Assert.Equal(" ab", bare.Decode([3]));
    }

    [Fact]
    public void T5_takes_the_best_sum_and_the_unknown_once()
    {
        string[] tokens = ["<pad>", "</s>", "<unk>", "\u2581", "a", "b", "ab", "\u2581ab", "<x>"];
        GgufBuilder builder = new GgufBuilder().Add("model", "t5").Add("tokens", tokens).Add("scores", [0, 0, 0, -2f, -3, -3, -4, -7, 0]).Add("token_type", [3, 3, 2, 1, 1, 1, 1, 1, 4])
            .Add("add_space_prefix", true).Add("remove_extra_whitespaces", true).Add("add_eos_token", true);
        Tokenizer tokenizer = Load(builder);
        Assert.Equal([3, 6, 1], tokenizer.Encode("  ab ", addSpecial: true));
        Assert.Equal([3, 2, 3, 6], tokenizer.Encode("zz  ab"));
        Assert.Equal(" \u2047  ab", tokenizer.Decode([3, 2, 3, 6], skipSpecial: false));
    }

    [Fact]
    public void Damaged_vocabularies_are_read_or_refused_never_anything_else()
    {
        byte[][] whole = [Bytes().Add("pre", "smollm").Build(), Llama().Build(), Bert().Build()];
        var random = new Random(11);
        int read = 0, refused = 0;
        for (int i = 0; i < 1500; i++)
        {
            File.WriteAllBytes(_files.At("fuzz.gguf"), Mutations.Of(whole[i % whole.Length], random));
            try
            {
                Tokenizer tokenizer = TokenizerFiles.Load(_files.At("fuzz.gguf"));
                Assert.NotNull(tokenizer.Decode(tokenizer.Encode("Hello <user> ab 12\n", addSpecial: true, SpecialTokens.Parse)));
                read++;
            }
            catch (TandemException)
            {
                refused++;
            }
        }

        Assert.True(read > 0 && refused > 0);
    }

    /// <summary>Compares a tokenizer with the texts and ids beside a vocabulary.</summary>
    internal static void Check(Tokenizer tokenizer, string path)
    {
        string[] texts = File.ReadAllText(path + ".inp").Split("\n__ggml_vocab_test__\n"), lines = File.ReadAllText(path + ".out").Split('\n');
        int compared = 0;
        for (int i = 0; i < texts.Length && i < lines.Length; i++)
        {
            int[] ids = [.. lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(t => int.Parse(t, System.Globalization.CultureInfo.InvariantCulture))];
            Assert.Equal(ids, tokenizer.Encode(texts[i]));
            Assert.Equal(ids, tokenizer.EncodeWithOffsets(texts[i]).Ids);
            compared++;
        }

        Assert.True(compared > 30);
    }

    private static string[] Pieces(Tokenizer tokenizer, string text) => [.. tokenizer.EncodeWithOffsets(text).Tokens.Select(t => t.Text)];

    private static GgufBuilder Bytes() => new GgufBuilder().Add("model", "gpt2").Add("pre", "gpt-2")
        .Add("tokens", [.. Enumerable.Range(0, 256).Select(b => ByteAlphabet.Characters[b].ToString()), "<s>"])
        .Add("token_type", [.. Enumerable.Repeat(1, 256), 3])
        .Add("merges", Array.Empty<string>());

    private static GgufBuilder Llama() => new GgufBuilder().Add("model", "llama")
        .Add("tokens", ["<unk>", "<s>", "</s>", "\u2581ab", "\u2581", "a", "b", "\u2581a", "<user>"])
        .Add("scores", [0, 0, 0, -2f, -9, -9, -9, -1, 0])
        .Add("token_type", [2, 3, 3, 1, 1, 1, 1, 1, 4]);

    private static GgufBuilder Bert() => new GgufBuilder().Add("model", "bert").Add("unknown_token_id", 1u).Add("cls_token_id", 2u).Add("seperator_token_id", 3u)
        .Add("tokens", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581hello", "\u2581ab", "lo", "\u258112"])
        .Add("token_type", [3, 3, 3, 3, 1, 1, 1, 1]);

    private Tokenizer Load(GgufBuilder builder)
    {
        File.WriteAllBytes(_files.At("v.gguf"), builder.Build());
        return TokenizerFiles.Load(_files.At("v.gguf"));
    }

    private string Refused(GgufBuilder builder) => Assert.ThrowsAny<TandemException>(() => Load(builder)).Message;
}
