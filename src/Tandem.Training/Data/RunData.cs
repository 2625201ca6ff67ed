using Tandem.Models;

namespace Tandem.Training;

/// <summary>The data of a run: its tokenizer, the blend that is trained on, and what is kept for evaluation.</summary>
public sealed class RunData : IDisposable
{
    private static readonly string[] s_endTokens = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

    private readonly TrainConfig _config;
    private readonly List<TokenStore> _stores = [];
    private readonly List<Corpus> _train = [];
    private readonly List<Corpus> _validation = [];

    private RunData(TrainConfig config, Tokenizer? tokenizer)
    {
        _config = config;
        (TextPieces Train, TextPieces Validation)[] texts = [.. config.Data.TrainFiles.Select(Split)];
        Tokenizer = tokenizer ?? TrainTokenizer(texts.Select(t => t.Train), config.Source);
        EndToken = FindEndToken(Tokenizer, config.Source.VocabSize > 0 ? config.Source.SpecialTokens.Take(1) : s_endTokens);
        foreach ((TextPieces train, TextPieces validation) in texts) Add(new Corpus(train.Encode(Tokenizer, EndToken)), new Corpus(validation.Encode(Tokenizer, EndToken)));
        foreach (string path in config.Data.Stores)
        {
            TokenStore store = OpenStore(path);
            (Corpus train, Corpus validation) = config.Data.ValidationSplit == ValidationSplit.Tail
                ? Corpus.SplitTail(store, config.Data.ValidationFraction)
                : Corpus.SplitDocuments(store, config.Data.ValidationFraction, config.Seed);
            Add(train, validation);
        }

        foreach (string path in config.Data.ValidationFiles)
            _validation.Add(new Corpus(TokenStore.IsStore(path) ? OpenStore(path) : TextPieces.Read(path, config.Data.JsonKey).Encode(Tokenizer, EndToken)));
        Blend = new Blend([.. _train.Select((c, i) => new SequenceSource(c, config.Data.Packing, config.Data.SequenceLength, config.Seed + (ulong)i))], config.Data.Weights, config.BatchSize);
    }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The token behind every document; null for none.</summary>
    public int? EndToken { get; }

    /// <summary>What is trained on.</summary>
    public Blend Blend { get; }

    /// <summary>What is kept for evaluation.</summary>
    public IReadOnlyList<Corpus> Validation => _validation;

    /// <summary>Tokens that are trained on.</summary>
    public long TrainTokens => _train.Sum(c => c.NumTokens);

    /// <summary>Tokens that are kept for evaluation.</summary>
    public long ValidationTokens => _validation.Sum(c => c.NumTokens);

    /// <summary>Bytes of the text that is kept for evaluation.</summary>
    public long ValidationBytes => _validation.Sum(c => c.TextBytes);

    /// <summary>A number that differs when the tokens that are trained on do: what a resumed run is compared by.</summary>
    public ulong Fingerprint => Fingerprints();

    /// <summary>Reads texts, opens stores, trains the tokenizer if there is none.</summary>
    /// <param name="config">The run.</param>
    /// <param name="tokenizer">The tokenizer, if it is known already; else it is read or trained.</param>
    /// <exception cref="TandemException">A file is missing or malformed, or there is too little text.</exception>
    public static RunData Load(TrainConfig config, Tokenizer? tokenizer = null)
    {
        if (tokenizer == null && config.Source.TokenizerPath != null) tokenizer = TokenizerJson.Load(config.Source.TokenizerPath);
        return new RunData(config, tokenizer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TokenStore store in _stores) store.Dispose();
    }

    /// <summary>The token that stands behind documents: that of the given names that the tokenizer has as a special token first.</summary>
    public static int? FindEndToken(Tokenizer tokenizer, IEnumerable<string>? names = null)
    {
        foreach (string name in names ?? s_endTokens)
            if (tokenizer.Find(name) is { } id && tokenizer.Special.ContainsKey(id)) return id;
        return null;
    }

    private static Tokenizer TrainTokenizer(IEnumerable<TextPieces> texts, ModelSourceConfig source)
    {
        var trainer = new BpeTrainer();
        bool any = false;
        foreach (TextPiece piece in texts.SelectMany(t => t.Pieces))
        {
            trainer.Add(piece.Text);
            any = true;
        }

        if (!any) throw new TandemException("tokenizer.vocab_size trains a tokenizer on texts, and the data have only token stores; accepted: tokenizer.path, that of the stores");
        return trainer.Train(source.VocabSize, source.SpecialTokens);
    }

    private (TextPieces Train, TextPieces Validation) Split(string path)
    {
        TextPieces text = TextPieces.Read(path, _config.Data.JsonKey);
        return _config.Data.ValidationSplit == ValidationSplit.Tail ? text.SplitTail(_config.Data.ValidationFraction) : text.SplitDocuments(_config.Data.ValidationFraction, _config.Seed);
    }

    private void Add(Corpus train, Corpus validation)
    {
        _train.Add(train);
        if (validation.NumTokens > 0) _validation.Add(validation);
    }

    private TokenStore OpenStore(string path)
    {
        TokenStore store = TokenStore.Open(path);
        _stores.Add(store);
        store.RequireTokenizer(Tokenizer);
        return store;
    }

    // Of a store the checksum in its header, of a text its tokens.
    private ulong Fingerprints()
    {
        var hash = new System.IO.Hashing.XxHash3();
        var buffer = new int[1 << 16];
        foreach (Corpus corpus in _train)
        {
            hash.Append(BitConverter.GetBytes(corpus.NumTokens));
            TokenStore? store = _stores.Find(s => s.Name == corpus.Name);
            if (store != null)
            {
                hash.Append(BitConverter.GetBytes(store.ContentChecksum));
                continue;
            }

            for (long at = 0; at < corpus.NumTokens; at += buffer.Length)
            {
                Span<int> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, corpus.NumTokens - at));
                corpus.Read(at, part);
                hash.Append(System.Runtime.InteropServices.MemoryMarshal.AsBytes<int>(part));
            }
        }

        return hash.GetCurrentHashAsUInt64();
    }
}
