using System.Globalization;

namespace Tandem.Models;

/// <summary>The vocabulary of a GGUF file: tokens with scores and types, and which are special.</summary>
internal sealed class GgufVocabulary
{
    /// <summary>Where a GGUF file keeps its tokenizer.</summary>
    public const string Keys = "tokenizer.ggml.";

    private const int MaxTokens = 1 << 22;

    private readonly GgufFile _file;

    /// <summary>Reads it.</summary>
    /// <exception cref="TandemException">A list has another length than that of tokens, or holds what it must not.</exception>
    public GgufVocabulary(GgufFile file)
    {
        _file = file;
        Tokens = [.. file.Strings(Keys + "tokens").Select((t, i) => t.Length > 0 ? t : string.Create(CultureInfo.InvariantCulture, $"[EMPTY_{i}]"))];
        if (Tokens.Count is 0 or > MaxTokens) throw new TandemException($"{Keys}tokens: {Tokens.Count} tokens, wanted 1 to {MaxTokens}");
        IReadOnlyList<double>? scores = List("scores"), types = List("token_type");
        Scores = [.. Enumerable.Range(0, Tokens.Count).Select(i => scores == null ? 0 : Finite(scores[i], i))];
        Types = [.. Enumerable.Range(0, Tokens.Count).Select(i => types == null ? Guess(Tokens[i]) : TypeOf(types[i], i))];
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < Tokens.Count; i++)
            if (!ids.TryAdd(Tokens[i], i)) throw new TandemException($"{Keys}tokens[{i}]: {CheckpointException.Quote(Tokens[i])} is there twice, first as {ids[Tokens[i]]}");
        Ids = ids;
    }

    /// <summary>The tokens by id.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>Their scores; 0 where the file has none.</summary>
    public IReadOnlyList<float> Scores { get; }

    /// <summary>Their types.</summary>
    public IReadOnlyList<PieceType> Types { get; }

    /// <summary>Ids by token.</summary>
    public IReadOnlyDictionary<string, int> Ids { get; }

    /// <summary>The model's name for people; empty if the file has none.</summary>
    public string Name => _file.Metadata.ContainsKey("general.name") ? _file.String("general.name") : "";

    /// <summary>Control and unknown tokens, which are special, and user-defined ones, which are not.</summary>
    public IReadOnlyList<AddedToken> AddedTokens(string preTokenizer)
    {
        var tokens = new List<AddedToken>();
        for (int id = 0; id < Tokens.Count; id++)
        {
            if (Types[id] is not (PieceType.Control or PieceType.Unknown or PieceType.UserDefined)) continue;
            bool mask = Tokens[id] == (preTokenizer == "modern-bert" ? "[MASK]" : "<mask>") && preTokenizer is "jina-v2-de" or "jina-v2-es" or "jina-v2-code" or "modern-bert";
            tokens.Add(new AddedToken(id, Tokens[id]) { Special = Types[id] != PieceType.UserDefined, LeftStrip = mask, RightStrip = TakesSpace(Tokens[id]) });
        }

        return tokens;
    }

    /// <summary>The pieces, for SentencePiece's models.</summary>
    public VocabularyPiece[] Pieces() => [.. Tokens.Select((t, i) => new VocabularyPiece(t, Scores[i], Types[i]))];

    /// <summary>A string of the tokenizer, or null.</summary>
    public string? Text(string name) => _file.Metadata.ContainsKey(Keys + name) ? _file.String(Keys + name) : null;

    /// <summary>Strings of the tokenizer.</summary>
    public IReadOnlyList<string> Texts(string name) => _file.Strings(Keys + name);

    /// <summary>A truth value of the tokenizer, or what it is when the file does not say.</summary>
    public bool Flag(string name, bool missing) => _file.Metadata.ContainsKey(Keys + name) ? _file.Bool(Keys + name) : missing;

    /// <summary>Bytes of the tokenizer; none where the file does not have them.</summary>
    public byte[] Bytes(string name)
    {
        if (!_file.Metadata.ContainsKey(Keys + name)) return [];
        IReadOnlyList<double> numbers = _file.Numbers(Keys + name);
        var bytes = new byte[numbers.Count];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = numbers[i] is >= sbyte.MinValue and <= byte.MaxValue && numbers[i] == Math.Floor(numbers[i]) ? unchecked((byte)(int)numbers[i]) : throw new TandemException($"{Keys}{name}[{i}]: {numbers[i]}, wanted a byte");
        return bytes;
    }

    /// <summary>A token that a key names, or the usual one where it does not, or null.</summary>
    /// <exception cref="TandemException">It is beyond the tokens.</exception>
    public (string Text, int Id)? Special(string name, int usual = -1)
    {
        string key = $"{Keys}{name}_token_id";
        long id = _file.Metadata.ContainsKey(key) ? _file.Int(key, 0, uint.MaxValue) : usual;
        if (id == uint.MaxValue || id < 0 || (id >= Tokens.Count && !_file.Metadata.ContainsKey(key))) return null;
        return id < Tokens.Count ? (Tokens[(int)id], (int)id) : throw new TandemException($"{key}: {id}, wanted an id below {Tokens.Count}");
    }

    /// <summary>A token that the file needs, since it says that it is added.</summary>
    /// <exception cref="TandemException">It has none.</exception>
    public (string Text, int Id)? Added(string flag, bool missing, string name, int usual = -1)
    {
        if (!Flag(flag, missing)) return null;
        return Special(name, usual) ?? throw new TandemException($"{Keys}{flag} is true, but there is no {Keys}{name}_token_id");
    }

    // Phi-3's special tokens swallow the white space behind them, all but three.
    private bool TakesSpace(string token) =>
        (Name.Contains("phi-3", StringComparison.OrdinalIgnoreCase) || Name.Contains("phi3", StringComparison.OrdinalIgnoreCase)) && token is not ("<unk>" or "<s>" or "<|endoftext|>");

    private static PieceType Guess(string token) => ByteFallbackDecoder.TryByte(token, out _) ? PieceType.Byte : PieceType.Normal;

    private static float Finite(double score, int id) => double.IsFinite(score) ? (float)score : throw new TandemException($"{Keys}scores[{id}]: {score}, wanted a finite number");

    private static PieceType TypeOf(double type, int id) =>
        type is >= (int)PieceType.Undefined and <= (int)PieceType.Byte && type == Math.Floor(type) ? (PieceType)(int)type
            : throw new TandemException($"{Keys}token_type[{id}]: {type}, wanted {(int)PieceType.Undefined} to {(int)PieceType.Byte}");

    private IReadOnlyList<double>? List(string name)
    {
        if (!_file.Metadata.ContainsKey(Keys + name)) return null;
        IReadOnlyList<double> list = _file.Numbers(Keys + name);
        return list.Count == Tokens.Count ? list : throw new TandemException($"{Keys}{name}: {list.Count} numbers for {Tokens.Count} tokens, wanted as many");
    }
}
