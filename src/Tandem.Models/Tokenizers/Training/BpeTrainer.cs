namespace Tandem.Models;

/// <summary>
/// Trains BPE: special tokens first, then the alphabet, then merges. Each step joins the pair with the highest count, among equals the one with the
/// smallest ids. Without a pre-tokenizer of its own it is byte-level BPE on GPT-2's words, whose alphabet are the 256 bytes in the order of their characters.
/// </summary>
public sealed class BpeTrainer
{
    private readonly PreTokenizer _preTokenizer;
    private readonly bool _addPrefixSpace;
    private readonly WordCounter _words;

    /// <summary>Starts with no words.</summary>
    /// <param name="addPrefixSpace">Whether each document gets a space before it if it starts with none.</param>
    public BpeTrainer(bool addPrefixSpace = false)
        : this(new ByteLevelPreTokenizer(addPrefixSpace, useRegex: true)) => _addPrefixSpace = addPrefixSpace;

    internal BpeTrainer(PreTokenizer preTokenizer)
    {
        _preTokenizer = preTokenizer;

        // A space before the document is put there once, not before each block.
        _words = new WordCounter(normalizer: null, preTokenizer is ByteLevelPreTokenizer ? new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: true) : preTokenizer);
    }

    /// <summary>Ends counting between blocks, and training between its steps, with an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Cancel { get; init; }

    /// <summary>Counts the words of a document.</summary>
    public void Add(ReadOnlySpan<char> text)
    {
        if (!text.IsEmpty) _words.Add(_addPrefixSpace && text[0] != ' ' ? $" {text}" : text);
    }

    /// <summary>Counts the words of a document of any length, block by block, as if it were given whole.</summary>
    /// <param name="reader">The document.</param>
    /// <param name="threads">Blocks that are counted at the same time; 0 takes all cores. It changes nothing but the time.</param>
    public void Add(TextReader reader, int threads = 0) =>
        _words.Add(reader, threads, block => _addPrefixSpace && block[0] != ' ' ? $" {block}" : block, Cancel);

    /// <summary>Trains on what was counted.</summary>
    /// <param name="vocabSize">Tokens in all; fewer if no pair is left.</param>
    /// <param name="special">Special tokens, which get the first ids.</param>
    /// <param name="minFrequency">Pairs seen less often are not joined.</param>
    /// <param name="maxTokenLength">Tokens of more than one merge have fewer characters than this, bytes in byte-level BPE; 0 is no limit.</param>
    /// <exception cref="TandemException">The vocabulary has no room for the bytes and the special tokens, or special tokens are empty or repeated.</exception>
    public Tokenizer Train(int vocabSize, IReadOnlyList<string> special, long minFrequency = 0, int maxTokenLength = 0)
    {
        bool bytes = _preTokenizer.TakesBytes;
        if (bytes && vocabSize < special.Count + 256) throw new TandemException($"vocab_size {vocabSize}, wanted at least {special.Count + 256}: 256 bytes and {special.Count} special tokens");
        var run = new MergeTrainer(special, _words.Sorted(), bytes);
        run.Join(vocabSize, Math.Max(1, minFrequency), maxTokenLength, Cancel);
        return new Tokenizer(bytes ? new ByteLevelBpe(run.Ids, run.Merges) : new CharacterBpe(run.Ids, run.Merges, new CharacterBpeOptions()), new TokenizerParts
        {
            AddedTokens = [.. special.Select((s, i) => new AddedToken(i, s) { Special = true })],
            PreTokenizer = _preTokenizer,
            PostProcessor = bytes ? new ByteLevelPostProcessor(_addPrefixSpace, trimOffsets: true, useRegex: true) : null,
            Decoder = bytes ? new ByteLevelDecoder() : new FuseDecoder(),
        });
    }
}
