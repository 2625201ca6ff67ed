namespace Tandem.Models;

/// <summary>
/// Trains WordPiece as Hugging Face does, by joining the pair with the highest count, but so that the result is always the same. Ids: special tokens in
/// their order; the characters seen, by code point; those seen inside words, with ##, by code point; then joined tokens in the order that they were made,
/// the pair with the highest count first, among equals the one with the smallest ids.
/// </summary>
/// <param name="lowercase">Whether text is put in lower case without accents first.</param>
public sealed class WordPieceTrainer(bool lowercase = true)
{
    private const string Unknown = "[UNK]", Prefix = "##";

    private readonly WordCounter _words = new(Normal(lowercase), new WhitespaceSplitPreTokenizer(bert: true));

    /// <summary>Special tokens of BERT, in its order.</summary>
    public static IReadOnlyList<string> BertTokens { get; } = ["[PAD]", Unknown, "[CLS]", "[SEP]", "[MASK]"];

    /// <summary>Ends counting between blocks, and training between its steps, with an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Cancel { get; init; }

    /// <summary>Counts the words of a document.</summary>
    public void Add(ReadOnlySpan<char> text) => _words.Add(text);

    /// <summary>Counts the words of a document of any length, as <see cref="BpeTrainer.Add(TextReader, int)"/> does.</summary>
    public void Add(TextReader reader, int threads = 0) => _words.Add(reader, threads, first: null, Cancel);

    /// <summary>Trains on what was counted.</summary>
    /// <param name="vocabSize">Tokens in all; fewer if no pair is left, more if there are more characters.</param>
    /// <param name="special">Special tokens, which get the first ids; [UNK] must be among them.</param>
    /// <param name="minFrequency">Pairs seen less often are not joined.</param>
    /// <exception cref="TandemException">[UNK] is missing, or special tokens are empty or repeated.</exception>
    public Tokenizer Train(int vocabSize, IReadOnlyList<string> special, long minFrequency = 0)
    {
        if (!special.Contains(Unknown)) throw new TandemException($"special tokens {string.Join(", ", special)}, wanted {Unknown} among them");
        var run = new MergeTrainer(special, _words.Sorted(), bytes: false, Prefix);
        run.Join(vocabSize, Math.Max(1, minFrequency), maxTokenLength: 0, Cancel);
        return new Tokenizer(new WordPieceModel(run.Ids, Unknown, Prefix, maxCharacters: 100), new TokenizerParts
        {
            AddedTokens = [.. special.Select((s, i) => new AddedToken(i, s) { Special = true })],
            Normalizer = Normal(lowercase),
            PreTokenizer = PreTokenizer.Read(PartJson.Of("""{ "type": "BertPreTokenizer" }"""), "pre_tokenizer"),
            PostProcessor = special.Contains("[CLS]") && special.Contains("[SEP]") ? Around(run.Ids["[CLS]"], run.Ids["[SEP]"]) : null,
            Decoder = Decoder.Read(PartJson.Of("""{ "type": "WordPiece", "prefix": "##", "cleanup": true }"""), "decoder")!,
        });
    }

    private static Normalizer Normal(bool lowercase) => Normalizer.Read(
        PartJson.Of($$"""{ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": {{(lowercase ? "true" : "false")}} }"""), "normalizer")!;

    private static PostProcessor? Around(int start, int end) =>
        PostProcessor.Read(PartJson.Of($$"""{ "type": "BertProcessing", "sep": ["[SEP]", {{end}}], "cls": ["[CLS]", {{start}}] }"""), "post_processor");
}
