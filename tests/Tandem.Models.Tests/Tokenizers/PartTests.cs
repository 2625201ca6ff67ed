using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Normalizers and pre-tokenizers alone, those of the golden's kinds that are built.</summary>
public sealed class PartTests
{
    private static readonly string Units = Path.Combine(TokenizerGoldens.Folder, "units");

    [Fact]
    public void Normalizers_give_the_golden_texts()
    {
        int kinds = 0;
        foreach (JsonElement row in TokenizerGoldens.Lines(Units, "normalizers.jsonl"))
        {
            if (Built(() => Normalizer.Read(row.GetProperty("config"), "normalizer")) is not { } normalizer) continue;
            kinds++;
            foreach (JsonElement pair in row.GetProperty("cases").EnumerateArray())
                Assert.Equal(pair[1].GetString(), normalizer.Apply(pair[0].GetString()!));
        }

        Assert.Equal(2, kinds);
    }

    [Fact]
    public void PreTokenizers_cut_as_the_golden_does()
    {
        int kinds = 0;
        foreach (JsonElement row in TokenizerGoldens.Lines(Units, "pretokenizers.jsonl"))
        {
            JsonElement config = row.GetProperty("config");
            if (Built(() => PreTokenizer.Read(config, "pre_tokenizer")) is not { } part || part.AddsPrefixSpace) continue;
            kinds++;
            bool bytes = config.ToString().Contains("ByteLevel", StringComparison.Ordinal);
            foreach (JsonElement pair in row.GetProperty("cases").EnumerateArray())
            {
                string text = pair[0].GetString()!;
                var pieces = new List<Piece>();
                part.Cut(text, new Piece(0, text.Length), pieces);
                string[] expected = [.. pair[1].EnumerateArray().Select(p => p[0].GetString()!)];
                Assert.Equal(expected, pieces.Select(p => bytes ? Mapped(text.Substring(p.Start, p.Length)) : text.Substring(p.Start, p.Length)));
            }
        }

        Assert.True(kinds >= 12, $"only {kinds} kinds");
    }

    [Theory]
    [InlineData("bytelevel_600")]
    [InlineData("bytelevel_prefix_space_400")]
    [InlineData("max_token_length_4")]
    [InlineData("repeats")]
    [InlineData("ties")]
    public void Training_gives_the_golden_merges(string name)
    {
        using JsonDocument golden = JsonDocument.Parse(TokenizerGoldens.Read(Path.Combine(TokenizerGoldens.Folder, "training"), name + ".json"));
        JsonElement root = golden.RootElement, options = root.GetProperty("options");
        var trainer = new BpeTrainer(root.GetProperty("pre_tokenizer").GetProperty("add_prefix_space").GetBoolean());
        foreach (string? document in root.Strings("documents")) trainer.Add(document);
        string[] special = options.Strings("special_tokens")!;
        int maxLength = options.TryGetProperty("max_token_length", out JsonElement max) ? max.GetInt32() : 0;
        Tokenizer tokenizer = trainer.Train(options.GetProperty("vocab_size").GetInt32(), special, options.GetProperty("min_frequency").GetInt64(), maxLength);
        Assert.Equal(root.GetProperty("merges").EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!)), tokenizer.Merges);
        foreach (JsonProperty token in root.GetProperty("vocab").EnumerateObject()) Assert.Equal(token.Value.GetInt32(), tokenizer.Find(token.Name));
    }

    [Fact]
    public void A_text_given_in_blocks_trains_as_given_whole()
    {
        string text = string.Concat(Enumerable.Range(0, 150_000).Select(i => i % 7 == 0 ? $"  word{i % 977}\n\n" : $" it's {i}"));
        BpeTrainer whole = new(), blocks = new();
        whole.Add(text);
        blocks.Add(new StringReader(text));
        Assert.Equal(whole.Train(400, []).Merges, blocks.Train(400, []).Merges);
    }

    private static T? Built<T>(Func<T?> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (TandemException)
        {
            return null;
        }
    }

    private static string Mapped(string piece) => string.Concat(System.Text.Encoding.UTF8.GetBytes(piece).Select(b => ByteAlphabet.Characters[b]));
}
