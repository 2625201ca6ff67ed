using System.Text;
using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Byte-level BPE against the results of Hugging Face's tokenizers.</summary>
public sealed class TokenizerTests
{
    private static string Golden(params string[] parts) => Path.Combine([AppContext.BaseDirectory, "goldens", "tokenizers", .. parts]);

    [Theory]
    [InlineData("bytelevel_600")]
    [InlineData("repeats")]
    [InlineData("ties")]
    public void Training_gives_the_golden_merges(string name)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Golden("training", name + ".json")));
        JsonElement root = golden.RootElement, options = root.GetProperty("options");
        var trainer = new BpeTrainer();
        foreach (JsonElement document in root.GetProperty("documents").EnumerateArray()) trainer.Add(document.GetString());
        string[] special = [.. options.GetProperty("special_tokens").EnumerateArray().Select(s => s.GetString()!)];
        Tokenizer tokenizer = trainer.Train(options.GetProperty("vocab_size").GetInt32(), special, options.GetProperty("min_frequency").GetInt64());
        Assert.Equal(root.GetProperty("merges").EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!)), tokenizer.Merges);
        foreach (JsonProperty token in root.GetProperty("vocab").EnumerateObject()) Assert.Equal(token.Value.GetInt32(), tokenizer.Find(token.Name));
    }

    [Fact]
    public void Encodes_and_decodes_as_the_golden_cases_say()
    {
        Tokenizer tokenizer = TokenizerJson.Load(Golden("bpe_gpt2", "tokenizer.json"));
        int cases = 0;
        foreach (JsonElement row in Lines("cases.jsonl"))
        {
            string text = row.GetProperty("text").GetString()!;
            SpecialTokens special = row.GetProperty("split_special_tokens").GetBoolean() ? SpecialTokens.AsText : SpecialTokens.Parse;
            int[] ids = [.. row.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32())];
            Assert.Equal(ids, tokenizer.Encode(text, special));
            Assert.Equal(row.GetProperty("decoded").GetString(), tokenizer.Decode(ids, skipSpecial: false));
            Assert.Equal(row.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(ids));
            cases++;
        }

        Assert.True(cases > 50, $"only {cases} cases");
    }

    [Fact]
    public void Streams_whole_characters_only()
    {
        Tokenizer tokenizer = TokenizerJson.Load(Golden("bpe_gpt2", "tokenizer.json"));
        int cases = 0;
        foreach (JsonElement row in Lines("stream.jsonl"))
        {
            var decoder = new TokenDecoder(tokenizer);
            string[] chunks = [.. row.GetProperty("ids").EnumerateArray().Select(i => decoder.Append(i.GetInt32()))];
            Assert.Equal(row.GetProperty("chunks").EnumerateArray().Select(c => c.GetString()), chunks);
            Assert.Equal(row.GetProperty("flush").GetString(), decoder.Flush());
            cases++;
        }

        Assert.True(cases > 5, $"only {cases} cases");
    }

    [Fact]
    public void Written_and_read_again_encodes_the_same()
    {
        Tokenizer tokenizer = TokenizerJson.Load(Golden("bpe_gpt2", "tokenizer.json"));
        string path = Path.Combine(Directory.CreateTempSubdirectory("tandem-tokenizer-").FullName, "tokenizer.json");
        TokenizerJson.Save(tokenizer, path);
        Tokenizer again = TokenizerJson.Load(path);
        const string Text = "Naïve café, 12 345 quotes: 'tis <|endoftext|> 你好\n\n  end";
        Assert.Equal(tokenizer.Encode(Text, SpecialTokens.Parse), again.Encode(Text, SpecialTokens.Parse));
        Assert.Equal(Text, again.Decode(again.Encode(Text)));
    }

    [Fact]
    public void Special_tokens_in_a_text_can_be_refused()
    {
        Tokenizer tokenizer = TokenizerJson.Load(Golden("bpe_gpt2", "tokenizer.json"));
        TandemException error = Assert.Throws<TandemException>(() => tokenizer.Encode("a <|endoftext|>", SpecialTokens.Forbid));
        Assert.Contains("<|endoftext|>", error.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<JsonElement> Lines(string file)
    {
        foreach (string line in File.ReadAllText(Golden("bpe_gpt2", file), Encoding.UTF8).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            yield return document.RootElement.Clone();
        }
    }
}
