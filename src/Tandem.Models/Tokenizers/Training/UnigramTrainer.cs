namespace Tandem.Models;

/// <summary>
/// Trains a Unigram language model (Kudo, 2018): from the most frequent substrings of words, expectation maximization gives each token a probability, and
/// the tokens whose loss would cost the texts least are taken away, until the vocabulary is as large as wanted.
/// The words start with a visible space and line breaks are words of their own, so that decoding gives the text back.
///
/// Words are taken in a fixed order and expected counts are summed in fixed parts, so that the result does not depend on threads. Ids: special tokens,
/// byte tokens, then the others by falling score, equal ones by their UTF-16 units. The scores of special and byte tokens are far below all others,
/// and their characters are always tokens: text that looks like one is not taken for it.
/// </summary>
/// <param name="byteFallback">Whether there are tokens for the 256 bytes, for characters that have none.</param>
public sealed class UnigramTrainer(bool byteFallback = true)
{
    private const string Unknown = "<unk>";
    private const int Rounds = 2, SeedFactor = 10, MostSeeds = 1_000_000;
    private const double Kept = 0.75, Margin = 1.1, FarBelow = 100;

    private readonly WordCounter _words = new(normalizer: null, Words(), cutAtSpaces: true);

    /// <summary>Ends counting between blocks, and training between its steps, with an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Cancel { get; init; }

    /// <summary>Counts the words of a document.</summary>
    public void Add(ReadOnlySpan<char> text) => _words.Add(text);

    /// <summary>Counts the words of a document of any length, as <see cref="BpeTrainer.Add(TextReader, int)"/> does.</summary>
    public void Add(TextReader reader, int threads = 0) => _words.Add(reader, threads, first: null, Cancel);

    /// <summary>Trains on what was counted.</summary>
    /// <param name="vocabSize">Tokens in all; fewer if the text has not as many substrings that repeat.</param>
    /// <param name="special">Special tokens, which get the first ids; &lt;unk&gt; is put before them if it is not there.</param>
    /// <param name="maxTokenLength">Most UTF-16 units of a token.</param>
    /// <param name="threads">Parts that are worked on at the same time; 0 takes all cores. It changes nothing but the time.</param>
    /// <exception cref="TandemException">The vocabulary has no room for the characters, or special tokens are empty or repeated.</exception>
    public Tokenizer Train(int vocabSize, IReadOnlyList<string> special, int maxTokenLength = 16, int threads = 0)
    {
        List<string> first = [.. special.Contains(Unknown) ? special : [Unknown, .. special]];
        if (first.Contains("") || first.Distinct().Count() != first.Count) throw new TandemException($"special tokens {string.Join(", ", first)}, wanted different texts");
        int numSpecial = first.Count, numBytes = byteFallback ? 256 : 0;
        if (byteFallback) first.AddRange(Enumerable.Range(0, 256).Select(UnigramModel.ByteToken));
        var lattice = new UnigramLattice(_words.Sorted(), first, maxTokenLength, Math.Min(MostSeeds, (long)SeedFactor * vocabSize), threads);
        int wanted = vocabSize - first.Count;
        if (wanted < lattice.NumCharacters)
            throw new TandemException($"vocab_size {vocabSize}, wanted at least {first.Count + lattice.NumCharacters}: {numSpecial} special tokens, {numBytes} bytes and {lattice.NumCharacters} characters");
        while (true)
        {
            for (int round = 0; round < Rounds; round++)
            {
                Cancel.ThrowIfCancellationRequested();
                lattice.Maximize();
            }

            if (lattice.Count <= Margin * wanted) break;
            lattice.Prune(Math.Max((int)(Margin * wanted), (int)(Kept * lattice.Count)));
        }

        (string Token, double Score)[] pieces = lattice.Best(wanted, [.. first]);
        double below = (FarBelow + first.Max(t => t.Length)) * pieces.Select(p => p.Score).DefaultIfEmpty(-1).Min();
        return new Tokenizer(new UnigramModel([.. first.Select(t => (t, below)), .. pieces], first.IndexOf(Unknown), byteFallback), new TokenizerParts
        {
            AddedTokens = [.. first.Take(numSpecial).Select((s, i) => new AddedToken(i, s) { Special = true })],
            PreTokenizer = Words(),
            Decoder = Decoder.Read(
                PartJson.Of(byteFallback
                    ? """{ "type": "Sequence", "decoders": [{ "type": "ByteFallback" }, { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true }] }"""
                    : """{ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true }"""),
                "decoder")!,
        });
    }

    private static PreTokenizer Words() => PreTokenizer.Read(
        PartJson.Of("""
            { "type": "Sequence", "pretokenizers": [
              { "type": "Split", "pattern": { "Regex": "\\n+" }, "behavior": "Isolated", "invert": false },
              { "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true } ] }
            """),
        "pre_tokenizer")!;
}
