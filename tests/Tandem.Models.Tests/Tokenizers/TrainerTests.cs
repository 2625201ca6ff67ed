using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Trainers: what they learn decodes to what it was, and nothing depends on threads or on how a text is given.</summary>
public sealed class TrainerTests
{
    private static readonly string Text = Corpus(60_000);

    // Longer than two blocks, so that there is something to count in parallel.
    private static readonly string Long = Corpus(450_000);

    [Fact]
    public void Threads_change_nothing()
    {
        Assert.True(Long.Length > 2 << 20);
        BpeTrainer[] bpe = [new(), new(), new()];
        bpe[0].Add(Long);
        bpe[1].Add(new StringReader(Long), threads: 1);
        bpe[2].Add(new StringReader(Long), threads: 4);
        byte[][] trained = [.. bpe.Select(t => Saved(t.Train(600, ["<s>"])))];
        Assert.Equal(trained[0], trained[1]);
        Assert.Equal(trained[0], trained[2]);

        UnigramTrainer[] unigram = [new(), new(), new()];
        unigram[0].Add(Long);
        unigram[1].Add(new StringReader(Long), threads: 1);
        unigram[2].Add(new StringReader(Long), threads: 4);
        byte[][] models = [Saved(unigram[0].Train(700, [], threads: 3)), Saved(unigram[1].Train(700, [], threads: 1)), Saved(unigram[2].Train(700, [], threads: 4))];
        Assert.Equal(models[0], models[1]);
        Assert.Equal(models[0], models[2]);

        WordPieceTrainer[] wordPiece = [new(), new()];
        wordPiece[0].Add(Long);
        wordPiece[1].Add(new StringReader(Long), threads: 4);
        Assert.Equal(Saved(wordPiece[0].Train(300, WordPieceTrainer.BertTokens)), Saved(wordPiece[1].Train(300, WordPieceTrainer.BertTokens)));
    }

    [Fact]
    public void Unigram_gives_texts_back()
    {
        var trainer = new UnigramTrainer();
        trainer.Add(Text);
        Tokenizer tokenizer = Reloaded(trainer.Train(600, ["<s>", "</s>"]));
        Assert.Equal(600, tokenizer.VocabSize);
        Assert.Equal((0, 1, 2, 3), (tokenizer.Find("<unk>"), tokenizer.Find("<s>"), tokenizer.Find("</s>"), tokenizer.Find("<0x00>")));
        foreach (string text in (string[])[Text[..2_000], "the 中文 😀 é\n\nlines  and   spaces ", "<0x41> <s> </s> <unk>", "a", "\n", "x\ny", "never seen: ÄÖÜ ß"])
        {
            int[] ids = tokenizer.Encode(text);
            Assert.Equal(text, tokenizer.Decode(ids));
            Assert.DoesNotContain(ids, id => id < 3);
        }

        // Frequent words are tokens: the text is far shorter than its characters.
        Assert.True(tokenizer.Encode(Text[..20_000]).Length < 20_000 / 3);
        Assert.NotNull(tokenizer.Find("▁the"));
    }

    [Fact]
    public void Unigram_raises_the_likelihood_and_keeps_all_characters()
    {
        var trainer = new UnigramTrainer(byteFallback: false);
        trainer.Add(Text);
        Tokenizer tokenizer = trainer.Train(200, []);
        foreach (char c in Text.Distinct().Where(c => c != ' ')) Assert.NotNull(tokenizer.Find(c.ToString()));
        Assert.Equal([0], tokenizer.Encode("中")[1..]);
        Assert.Contains("wanted at least", Assert.Throws<TandemException>(() => trainer.Train(10, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WordPiece_makes_the_merges_of_its_rule()
    {
        var trainer = new WordPieceTrainer();
        trainer.Add("Aab aab AAB ab b");
        Tokenizer tokenizer = trainer.Train(100, ["[PAD]", "[UNK]"]);

        // Characters, then those inside words; a ##a and ##a ##b are seen three times, and ##a has the lower ids.
        string[] tokens = [.. Enumerable.Range(0, tokenizer.VocabSize).Select(tokenizer.TokenText)];
        Assert.Equal(["[PAD]", "[UNK]", "a", "b", "##a", "##b", "aa", "aab", "ab"], tokens);
        Assert.Equal([7, 2, 1], tokenizer.Encode("AAB a z"));
        Assert.Equal("aab a", tokenizer.Decode([7, 2]));
    }

    [Fact]
    public void WordPiece_gives_words_back()
    {
        var trainer = new WordPieceTrainer(lowercase: false);
        trainer.Add(Text);
        Tokenizer tokenizer = Reloaded(trainer.Train(300, WordPieceTrainer.BertTokens));
        string text = string.Join(' ', Text[..3_000].Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Where(w => w.All(char.IsLetter)));
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        int[] ids = tokenizer.Encode("the", addSpecial: true);
        Assert.Equal((2, 3), (ids[0], ids[^1]));
        Assert.Contains("wanted [UNK] among them", Assert.Throws<TandemException>(() => trainer.Train(300, ["[PAD]"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_ends_when_it_is_asked_to()
    {
        var ended = new CancellationToken(canceled: true);
        BpeTrainer bpe = new() { Cancel = ended };
        UnigramTrainer unigram = new() { Cancel = ended };
        WordPieceTrainer wordPiece = new() { Cancel = ended };
        Assert.Throws<OperationCanceledException>(() => bpe.Add(new StringReader(Text)));
        bpe.Add(Text);
        unigram.Add(Text);
        wordPiece.Add(Text);
        Assert.Throws<OperationCanceledException>(() => bpe.Train(400, []));
        Assert.Throws<OperationCanceledException>(() => unigram.Train(600, []));
        Assert.Throws<OperationCanceledException>(() => wordPiece.Train(300, WordPieceTrainer.BertTokens));
    }

    private static string Corpus(int words)
    {
        string[] list = ["the", "king", "and", "queen", "of", "realm", "speak", "speech", "trippingly", "on", "tongue", "Citizen", "before", "we", "proceed", "any", "further", "hear", "me"];
        var random = new Random(3);
        return string.Concat(Enumerable.Range(0, words).Select(i => list[Math.Min(random.Next(list.Length), random.Next(list.Length))] + (random.Next(12) switch { 0 => ".\n", 1 => ", ", 2 => random.Next(100) + " ", _ => " " })));
    }

    private static byte[] Saved(Tokenizer tokenizer)
    {
        string path = Path.GetTempFileName();
        TokenizerJson.Save(tokenizer, path);
        byte[] bytes = File.ReadAllBytes(path);
        File.Delete(path);
        return bytes;
    }

    private static Tokenizer Reloaded(Tokenizer tokenizer)
    {
        string path = Path.GetTempFileName();
        TokenizerJson.Save(tokenizer, path);
        Tokenizer loaded = TokenizerJson.Load(path);
        File.Delete(path);
        return loaded;
    }
}
