using System.Text;
using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>tiktoken rank files against tiktoken's results, and malformed ones.</summary>
public sealed class TiktokenTests : IDisposable
{
    private static readonly string Goldens = Path.Combine(TokenizerGoldens.Folder, "tiktoken");

    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Cases_are_those_of_the_golden()
    {
        Tokenizer tokenizer = TokenizerFiles.Load(Path.Combine(Goldens, "cl100k_style.tiktoken"));
        Check(tokenizer);

        // What is written is the same tokenizer.
        TokenizerJson.Save(tokenizer, _files.At(TokenizerJson.FileName));
        Check(TokenizerFiles.Load(_files.Folder));
    }

    [Theory]
    [InlineData("IQ== 0\nIg==", "line 2: 'Ig==', wanted base64, a space and a rank")]
    [InlineData("IQ== 0\nIg== x", "line 2: 'Ig== x'")]
    [InlineData("IQ== 0\nIg== -1", "line 2")]
    [InlineData("IQ== 0\nIg== 99999999999", "line 2")]
    [InlineData("IQ== 0\nI!== 1", "line 2: 'I!==' is not base64")]
    [InlineData("IQ== 0\n\nIg== 0", "line 3: rank 0 is there twice, first in line 1")]
    [InlineData("IQ== 0\nIQ== 1", "line 2: the token 21 is there twice, first in line 1")]
    [InlineData("IQ== 0\n", "byte 0x00 has no line of its own")]
    [InlineData("", "byte 0x00")]
    public void Malformed_lines_are_refused_with_their_number(string file, string expected) =>
        Assert.Contains(expected, Assert.Throws<TandemException>(() => TiktokenFile.Read(Encoding.ASCII.GetBytes(file))).Message, StringComparison.Ordinal);

    [Fact]
    public void Gaps_belong_to_special_tokens()
    {
        string bytes = string.Concat(Enumerable.Range(0, 256).Select(b => $"{Convert.ToBase64String([(byte)b])} {b}\n"));
        byte[]?[] ranks = TiktokenFile.Read(Encoding.ASCII.GetBytes(bytes + "YWI= 257\n"));
        Assert.Contains("rank 256 has neither", Assert.Throws<TandemException>(() => Make(new() { ["<e>"] = 300 })).Message, StringComparison.Ordinal);
        Assert.Contains("has the id 257 of a rank", Assert.Throws<TandemException>(() => Make(new() { ["<e>"] = 257 })).Message, StringComparison.Ordinal);
        Assert.Contains("have the same id 256", Assert.Throws<TandemException>(() => Make(new() { ["<e>"] = 256, ["<f>"] = 256 })).Message, StringComparison.Ordinal);
        Assert.Equal([257, 256], Make(new() { ["<e>"] = 256 }).Encode("ab<e>", SpecialTokens.Parse));
        Assert.Contains("line 257: rank 4000000", Assert.Throws<TandemException>(() => TiktokenFile.Read(Encoding.ASCII.GetBytes(bytes + "YWI= 4000000\n"))).Message, StringComparison.Ordinal);

        Tokenizer Make(Dictionary<string, int> special) => TiktokenTokenizer.Make(ranks, @"\p{L}+", special, "pattern");
    }

    [Fact]
    public void Neighbours_that_together_are_a_token_are_joined_the_lowest_rank_first()
    {
        byte[]?[] ranks = TiktokenFile.Load(Path.Combine(Goldens, "cl100k_style.tiktoken"));
        Tokenizer tokenizer = TiktokenTokenizer.Make(ranks, @"[\s\S]+", new Dictionary<string, int>(), "pattern");
        Dictionary<string, int> byBytes = ranks.Select((b, i) => (Text: Encoding.Latin1.GetString(b!), i)).ToDictionary(t => t.Text, t => t.i);
        string[] words = [.. byBytes.Keys.Where(k => k.All(c => c < 128))];
        Gen.Int[0, words.Length - 1].Select(i => words[i]).Array[1, 12].Sample(parts =>
        {
            string text = string.Concat(parts);
            Assert.Equal(Naive(text, byBytes), tokenizer.Encode(text));
        });
    }

    [Theory]
    [InlineData(@"\p{L}+|\s+(?!\S)|\s+", @"\p{L}+|\s+(?!\S)|\s+")]
    [InlineData(@"\p{N}{1,3}+|\s++$|[$]", @"(?>\p{N}{1,3})|\s++\z|[$]")]
    [InlineData(@"(?:ab[\]x]){2}+c\$", @"(?>(?:ab[\]x]){2})c\$")]
    [InlineData(@"a[bc]{1,2}+", @"a(?>[bc]{1,2})")]
    [InlineData(@"{1}+(", @"(?>{1})(")]
    public void Expressions_are_translated_where_the_dialects_differ(string pattern, string expected) => Assert.Equal(expected, TiktokenPattern.Translate(pattern));

    [Fact]
    public void The_present_expression_of_cl100k_cuts_as_the_one_before()
    {
        byte[]?[] ranks = TiktokenFile.Load(Path.Combine(Goldens, "cl100k_style.tiktoken"));
        const string Present = @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";
        Check(TiktokenTokenizer.Make(ranks, Present, new Dictionary<string, int> { ["<|endoftext|>"] = 600, ["<|fim_prefix|>"] = 601 }, "pattern"));
    }

    [Fact]
    public void Known_names_need_no_pattern_and_others_say_what_was_looked_for()
    {
        File.Copy(Path.Combine(Goldens, "cl100k_style.tiktoken"), _files.At("cl100k_base.tiktoken"));
        Assert.Equal(100258, TokenizerFiles.Load(_files.At("cl100k_base.tiktoken")).Find("<|fim_prefix|>"));
        File.Move(_files.At("cl100k_base.tiktoken"), _files.At("other.tiktoken"));
        string message = Assert.Throws<TandemException>(() => TokenizerFiles.Load(_files.At("other.tiktoken"))).Message;
        foreach (string looked in (string[])["other.json", "tokenizer_config.json", "cl100k_base", "o200k_base"]) Assert.Contains(looked, message, StringComparison.Ordinal);
        File.WriteAllText(_files.At("tokenizer_config.json"), """{ "pattern": "\\p{L}+|\\P{L}+", "added_tokens_decoder": { "600": { "content": "<e>", "special": true } } }""");
        Assert.Equal(600, TokenizerFiles.Load(_files.Folder).Find("<e>"));
    }

    [Fact]
    public void Damaged_files_are_read_or_refused_never_anything_else()
    {
        byte[] whole = File.ReadAllBytes(Path.Combine(Goldens, "cl100k_style.tiktoken"));
        var random = new Random(5);
        int read = 0, refused = 0;
        for (int i = 0; i < 500; i++)
        {
            try
            {
                Tokenizer tokenizer = TiktokenTokenizer.Make(TiktokenFile.Read(Mutations.Of(whole, random)), @"\p{L}+", new Dictionary<string, int>(), "pattern");
                Assert.NotNull(tokenizer.Decode(tokenizer.Encode("Hello, world")));
                read++;
            }
            catch (TandemException)
            {
                refused++;
            }
        }

        Assert.True(refused > 0);
        Assert.Equal(500, read + refused);
    }

    private static void Check(Tokenizer tokenizer)
    {
        foreach (JsonElement row in TokenizerGoldens.Lines(Goldens, "cl100k_style.cases.jsonl"))
        {
            string text = row.Text("text")!;
            int[] ids = row.Ints("ids_ordinary");
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(row.Ints("ids_specials_allowed"), tokenizer.Encode(text, SpecialTokens.Parse));
            Assert.Equal(row.Strings("token_bytes_hex"), ids.Select(id => Convert.ToHexStringLower(tokenizer.Bytes(id))));
            Assert.Equal(row.Text("decoded"), tokenizer.Decode(ids));
            if (row.GetProperty("default_raises").GetBoolean()) Assert.Throws<TandemException>(() => tokenizer.Encode(text, SpecialTokens.Forbid));
            else Assert.Equal(ids, tokenizer.Encode(text, SpecialTokens.Forbid));
        }
    }

    // As tiktoken does it: a whole word first, else of all neighbours those whose joining has the lowest rank, the leftmost among equals.
    private static List<int> Naive(string text, Dictionary<string, int> ranks)
    {
        if (ranks.TryGetValue(text, out int whole)) return [whole];
        List<string> parts = [.. text.Select(c => c.ToString())];
        while (true)
        {
            int best = -1, rank = int.MaxValue;
            for (int i = 0; i + 1 < parts.Count; i++)
                if (ranks.TryGetValue(parts[i] + parts[i + 1], out int r) && r < rank) (best, rank) = (i, r);
            if (best < 0) return [.. parts.Select(p => ranks[p])];
            parts[best] += parts[best + 1];
            parts.RemoveAt(best + 1);
        }
    }
}
