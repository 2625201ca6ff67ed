using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Normalizers, pre-tokenizers and decoders alone, of every kind.</summary>
public sealed class PartTests
{
    private static readonly string Units = Path.Combine(TokenizerGoldens.Folder, "units");

    [Fact]
    public void Normalizers_give_the_golden_texts()
    {
        int kinds = 0;
        foreach (JsonElement row in TokenizerGoldens.Lines(Units, "normalizers.jsonl"))
        {
            Normalizer normalizer = Normalizer.Read(row.GetProperty("config"), "normalizer")!;
            kinds++;
            foreach (JsonElement pair in row.GetProperty("cases").EnumerateArray())
                Assert.Equal(pair[1].GetString(), normalizer.Apply(pair[0].GetString()!));
        }

        Assert.Equal(25, kinds);
    }

    [Fact]
    public void PreTokenizers_cut_as_the_golden_does()
    {
        int kinds = 0;
        foreach (JsonElement row in TokenizerGoldens.Lines(Units, "pretokenizers.jsonl"))
        {
            JsonElement config = row.GetProperty("config");
            PreTokenizer part = PreTokenizer.Read(config, "pre_tokenizer")!;
            kinds++;
            foreach (JsonElement pair in row.GetProperty("cases").EnumerateArray())
            {
                string text = pair[0].GetString()!;
                List<Piece> pieces = text.Length == 0 ? [] : [new Piece(0, text.Length)];
                string cut = part.Apply(new AlignedText(text, 0), pieces).Text.ToString();
                string[] expected = [.. pair[1].EnumerateArray().Select(p => p[0].GetString()!)];
                Assert.Equal(expected, pieces.Select(p => part.TakesBytes ? Mapped(cut.Substring(p.Start, p.Length)) : cut.Substring(p.Start, p.Length)));
            }
        }

        Assert.Equal(78, kinds);
    }

    [Fact]
    public void Decoders_give_the_golden_texts()
    {
        foreach (JsonElement row in TokenizerGoldens.Lines(Units, "decoders.jsonl"))
        {
            Decoder decoder = Decoder.Read(row.GetProperty("config"), "decoder")!;

            // Where the reference crashes any answer is fine.
            foreach (JsonElement pair in row.GetProperty("cases").EnumerateArray().Where(c => c[1].ValueKind == JsonValueKind.String))
                Assert.Equal(pair[1].GetString(), decoder.Decode(pair[0].EnumerateArray().Select(t => t.GetString()!)));
        }
    }

    [Theory]
    [InlineData("bytelevel_600")]
    [InlineData("bytelevel_prefix_space_400")]
    [InlineData("chars_no_alphabet")]
    [InlineData("max_token_length_4")]
    [InlineData("repeats")]
    [InlineData("ties")]
    public void Training_gives_the_golden_merges(string name)
    {
        using JsonDocument golden = JsonDocument.Parse(TokenizerGoldens.Read(Path.Combine(TokenizerGoldens.Folder, "training"), name + ".json"));
        JsonElement root = golden.RootElement, options = root.GetProperty("options");
        JsonElement words = root.GetProperty("pre_tokenizer");
        BpeTrainer trainer = words.TryGetProperty("add_prefix_space", out JsonElement space) ? new BpeTrainer(space.GetBoolean()) : new BpeTrainer(PreTokenizer.Read(words, "pre_tokenizer")!);
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

    [Fact]
    public void WordPiece_cleans_each_token_as_a_text()
    {
        string[] parts = [" ", ".", "?", "!", ",", "'", "n't", "do not", "s", "ve", "m", "re", "##", "a", "n", "d"];
        Gen.Int[0, parts.Length - 1].Array[0, 4].Select(p => string.Concat(p.Select(i => parts[i]))).Array[1, 5].Sample(
            tokens =>
            {
                IEnumerable<string> spaced = tokens.Select((t, i) => i == 0 ? t : t.StartsWith("##", StringComparison.Ordinal) ? t[2..] : " " + t);
                Assert.Equal(string.Concat(spaced.Select(WordPieceDecoder.Clean)), new WordPieceDecoder("##", cleanup: true).Decode(tokens));
                Assert.Equal(string.Concat(spaced), new WordPieceDecoder("##", cleanup: false).Decode(tokens));
            },
            iter: 5_000);
    }

    private static string Mapped(string piece) => string.Concat(System.Text.Encoding.UTF8.GetBytes(piece).Select(b => ByteAlphabet.Characters[b]));
}
