namespace Tandem.Models;

/// <summary>
/// Tokenizers of any format: a Hugging Face directory, a <c>tokenizer.json</c>, a GGUF file, a SentencePiece model or a tiktoken rank file.
/// </summary>
public static class TokenizerFiles
{
    private const string GgufEnding = ".gguf", RanksEnding = ".tiktoken";

    // A rank file begins with base64; a SentencePiece model with the tag of its first piece.
    private const int FirstPieceTag = 0x0A;

    private static readonly string[] SentencePieceNames = ["tokenizer.model", "spiece.model"];

    /// <summary>Loads a tokenizer.</summary>
    /// <param name="path">A directory or a file.</param>
    /// <exception cref="TandemException">There is none, it is malformed, or of a kind that is not supported.</exception>
    public static Tokenizer Load(string path)
    {
        if (Directory.Exists(path)) return LoadFolder(path);
        if (!File.Exists(path)) throw new TandemException($"'{path}': there is no such file or directory");
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".json" => TokenizerJson.Load(path),
            GgufEnding => GgufTokenizer.Load(path),
            ".model" => LoadModel(path),
            RanksEnding => Named(path, () => TokenizerFolder.LoadRanks(path)),
            _ => throw new TandemException($"'{path}': is no tokenizer by its name; accepted: a directory, {TokenizerJson.FileName}, *{GgufEnding}, *.model, *{RanksEnding}"),
        };
    }

    /// <summary>Loads a SentencePiece model, with the tokens that are to be put around a text.</summary>
    /// <exception cref="TandemException">It cannot be read, is malformed, or of a kind that is not supported.</exception>
    public static Tokenizer LoadSentencePiece(string path, bool addBos = true, bool addEos = false) =>
        Named(path, () => SentencePieceTokenizer.Make(SentencePieceFile.Load(path), addBos, addEos));

    private static Tokenizer LoadFolder(string folder)
    {
        string json = Path.Combine(folder, TokenizerJson.FileName);
        if (File.Exists(json)) return TokenizerJson.Load(json);
        var config = TokenizerFolder.Read(folder);
        foreach (string path in SentencePieceNames.Select(n => Path.Combine(folder, n)).Where(File.Exists))
            return IsSentencePiece(path) ? Named(path, () => config.LoadSentencePiece(path)) : Named(path, () => TokenizerFolder.LoadRanks(path));
        if (Directory.GetFiles(folder, "*" + RanksEnding) is [var ranks]) return Named(ranks, () => TokenizerFolder.LoadRanks(ranks));
        if (config.HasVocabulary) return Named(folder, config.LoadVocabulary);
        string[] gguf = Directory.GetFiles(folder, "*" + GgufEnding);
        if (gguf.Length == 1) return GgufTokenizer.Load(gguf[0]);
        throw new TandemException($"'{folder}' has no tokenizer; looked for {TokenizerJson.FileName}, {string.Join(", ", SentencePieceNames)}, one *{RanksEnding}, {TokenizerFolder.VocabularyNames}, one *{GgufEnding}");
    }

    private static Tokenizer LoadModel(string path) => IsSentencePiece(path) ? LoadSentencePiece(path) : Named(path, () => TokenizerFolder.LoadRanks(path));

    private static bool IsSentencePiece(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return stream.ReadByte() is -1 or FirstPieceTag;
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    private static Tokenizer Named(string path, Func<Tokenizer> load)
    {
        try
        {
            return load();
        }
        catch (TandemException e) when (!e.Message.Contains(path, StringComparison.Ordinal))
        {
            throw new TandemException($"{path}: {e.Message}", e);
        }
    }
}
