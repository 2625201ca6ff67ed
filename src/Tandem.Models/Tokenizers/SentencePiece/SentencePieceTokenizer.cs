namespace Tandem.Models;

/// <summary>
/// Makes the tokenizer of a SentencePiece model. Control symbols are special tokens: text unless they are asked for; what lies between two of them is
/// encoded as a text of its own.
/// </summary>
internal static class SentencePieceTokenizer
{
    private const int Unigram = 1, Bpe = 2;

    /// <summary>Makes the tokenizer.</summary>
    /// <param name="file">The model.</param>
    /// <param name="addBos">Whether the piece that begins a text is put in front when special tokens are added.</param>
    /// <param name="addEos">Whether the one that ends a text is put behind it.</param>
    /// <param name="added">Tokens beyond the model's own.</param>
    /// <exception cref="TandemException">The model is malformed, or of a kind that is not built.</exception>
    public static Tokenizer Make(SentencePieceFile file, bool addBos = true, bool addEos = false, params IReadOnlyList<AddedToken> added)
    {
        int[] unknown = [.. Enumerable.Range(0, file.Pieces.Count).Where(i => file.Pieces[i].Type == PieceType.Unknown)];
        if (unknown.Length != 1) throw new TandemException($"pieces: {unknown.Length} are of type unknown, wanted one");
        var table = new PieceTable([.. file.Pieces], unknown[0], file.ByteFallback, "pieces");
        TokenModel model = file.ModelType switch
        {
            Unigram => new SentencePieceUnigram(table, ScoreSums.Single),
            Bpe => new SentencePieceBpe(table, "pieces"),
            _ => throw new TandemException($"trainer_spec.model_type: {file.ModelType} is not supported; there are {Unigram} (unigram) and {Bpe} (BPE)"),
        };
        HashSet<string> own = [.. added.Select(t => t.Content)];
        AddedToken[] control = [.. table.Of(PieceType.Control).Where(p => !own.Contains(p.Text)).Select(p => new AddedToken(p.Id, p.Text) { Special = true })];
        return new Tokenizer(model, new TokenizerParts
        {
            AddedTokens = [.. control, .. added],
            Normalizer = new SentencePieceNormalizer(file.Normalizer, new PieceTrie(table.Of(PieceType.UserDefined))),
            PostProcessor = BosEosTemplate.Make(addBos ? Control(table, file.BosPiece) : null, addEos ? Control(table, file.EosPiece) : null),
            Decoder = new SentencePieceDecoder(table[table.Unknown].Text, file.UnknownSurface, file.Normalizer.AddDummyPrefix || file.Normalizer.RemoveExtraWhitespaces, file.Normalizer.RemoveExtraWhitespaces),
        });
    }

    private static (string Text, int Id)? Control(PieceTable table, string piece) =>
        table.Ids.TryGetValue(piece, out int id) && table[id].Type == PieceType.Control ? (piece, id) : null;
}
