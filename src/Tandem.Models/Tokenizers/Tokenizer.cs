using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Text to token ids and back, as a pipeline of parts: added tokens are cut out, what is left is normalized, cut into words and encoded by the model,
/// and a post-processor puts special tokens around it. Immutable and safe for many threads. Tokenizers come from <see cref="TokenizerJson"/>,
/// <see cref="BpeTrainer"/> or <see cref="OfBytes"/>.
/// </summary>
public sealed partial class Tokenizer
{
    // Bytes that are copied at once, more than most tokens have.
    private const int CopyBytes = 16;

    private readonly string?[] _tokens;
    private readonly string?[] _decoded;
    private readonly byte[] _bytes;
    private readonly int[] _bytesEnd;
    private readonly bool[] _isSpecial;
    private readonly AddedTokenMatcher _rawTokens;
    private readonly AddedTokenMatcher _normalizedTokens;

    internal Tokenizer(TokenModel model, TokenizerParts parts)
    {
        Model = model;
        Parts = parts;
        int highest = Math.Max(model.Vocabulary.Values.DefaultIfEmpty(-1).Max(), parts.AddedTokens.Select(t => t.Id).DefaultIfEmpty(-1).Max());
        _tokens = new string?[highest + 1];
        _isSpecial = new bool[highest + 1];
        foreach ((string token, int id) in model.Vocabulary) SetToken(id, token);
        foreach (AddedToken token in parts.AddedTokens)
        {
            SetToken(token.Id, token.Content);
            _isSpecial[token.Id] = token.Special;
        }

        _decoded = [.. _tokens];

        // A token that is found in normalized text decodes to what it is found as, and is then no longer known as special: so the reference does it.
        foreach (AddedToken token in parts.AddedTokens.Where(t => t.Normalized && parts.Normalizer != null))
        {
            string found = parts.Normalizer!.Apply(token.Content);
            _decoded[token.Id] = found;
            _isSpecial[token.Id] &= found == token.Content;
        }

        byte[][] bytes = [.. _decoded.Select(t => t == null ? [] : parts.Decoder.Bytes(t))];
        _bytes = [.. bytes.SelectMany(b => b), .. new byte[CopyBytes]];
        _bytesEnd = new int[bytes.Length + 1];
        for (int id = 0; id < bytes.Length; id++) _bytesEnd[id + 1] = _bytesEnd[id] + bytes[id].Length;
        Special = parts.AddedTokens.Where(t => t.Special).DistinctBy(t => t.Id).ToDictionary(t => t.Id, t => t.Content);
        _rawTokens = new AddedTokenMatcher(parts.AddedTokens.Where(t => !t.Normalized).Select(t => (t, t.Content)));
        _normalizedTokens = new AddedTokenMatcher(parts.AddedTokens.Where(t => t.Normalized).Select(t => (t, parts.Normalizer?.Apply(t.Content) ?? t.Content)));
    }

    /// <summary>Number of ids: one more than the highest.</summary>
    public int VocabSize => _tokens.Length;

    /// <summary>Merges of the model in order of rank.</summary>
    public IReadOnlyList<(string Left, string Right)> Merges => Model.Merges;

    /// <summary>Special tokens by id.</summary>
    public IReadOnlyDictionary<int, string> Special { get; }

    /// <summary>All added tokens, special or not.</summary>
    public IReadOnlyList<AddedToken> AddedTokens => Parts.AddedTokens;

    internal TokenModel Model { get; }

    internal TokenizerParts Parts { get; }

    /// <summary>The plain tokenizer whose tokens are the bytes: id b is byte b; special tokens follow from 256.</summary>
    public static Tokenizer OfBytes(params IReadOnlyList<string> special)
    {
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int b = 0; b < 256; b++) vocabulary.Add(ByteAlphabet.Characters[b].ToString(), b);
        return new Tokenizer(new ByteLevelBpe(vocabulary, []), new TokenizerParts
        {
            AddedTokens = [.. special.Select((s, i) => new AddedToken(256 + i, s) { Special = true })],
            PreTokenizer = new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: false),
        });
    }

    /// <summary>A token as it stands in the vocabulary; empty for an id that has none.</summary>
    /// <exception cref="TandemException">The id is beyond the vocabulary.</exception>
    public string TokenText(int id) => _tokens[Checked(id)] ?? "";

    /// <summary>Id of a token of the vocabulary or of an added token, or null.</summary>
    public int? Find(string token)
    {
        foreach (AddedToken added in Parts.AddedTokens)
            if (added.Content == token) return added.Id;
        return Model.Vocabulary.TryGetValue(token, out int id) ? id : null;
    }

    /// <summary>Whether decoding leaves a token out unless it is asked for.</summary>
    public bool IsSpecial(int id) => _isSpecial[Checked(id)];

    /// <summary>The bytes of a token; none for an id without one.</summary>
    /// <exception cref="TandemException">The id is beyond the vocabulary.</exception>
    public ReadOnlySpan<byte> Bytes(int id) => _bytes.AsSpan(_bytesEnd[Checked(id)].._bytesEnd[id + 1]);

    /// <summary>What the decoder is given for a token; null for an id without one.</summary>
    internal string? DecodedToken(int id) => _decoded[Checked(id)];

    /// <summary>The text of tokens; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <exception cref="TandemException">An id is beyond the vocabulary.</exception>
    public string Decode(IEnumerable<int> ids, bool skipSpecial = true)
    {
        if (!Parts.Decoder.IsBytes) return DecodeTokens(ids, skipSpecial);
        return DecodeBytes(ids switch { int[] array => array, List<int> list => CollectionsMarshal.AsSpan(list), _ => ids.ToArray() }, skipSpecial);
    }

    /// <summary>The ids of many texts, encoded in parallel, in the texts' order.</summary>
    public int[][] EncodeBatch(IReadOnlyList<string> texts, bool addSpecial = false, SpecialTokens special = SpecialTokens.AsText, int threads = 0)
    {
        var results = new int[texts.Count][];
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount };
        if (texts.Count < 2 || options.MaxDegreeOfParallelism == 1)
        {
            for (int i = 0; i < results.Length; i++) results[i] = Encode(texts[i], addSpecial, special);
            return results;
        }

        try
        {
            Parallel.For(0, texts.Count, options, i => results[i] = Encode(texts[i], addSpecial, special));
        }
        catch (AggregateException e) when (e.InnerException is TandemException first)
        {
            throw new TandemException(first.Message, first);
        }

        return results;
    }

    private string DecodeTokens(IEnumerable<int> ids, bool skipSpecial)
    {
        var text = new StringBuilder();
        DecoderRun run = Parts.Decoder.Start(new TextRun(text), parts: true, streaming: false);
        foreach (int id in ids)
            if ((!skipSpecial || !IsSpecial(id)) && DecodedToken(id) is { } token) run.Push(token, begins: true);
        run.End();
        return text.ToString();
    }

    // Replaces each maximal ill-formed part, as TokenDecoder does.
    private string DecodeBytes(ReadOnlySpan<int> ids, bool skipSpecial)
    {
        long size = 0;
        foreach (int id in ids) size += _bytesEnd[Checked(id) + 1] - _bytesEnd[id];
        if (size > Array.MaxLength - CopyBytes) throw new TandemException($"{ids.Length} tokens are a text of {size} bytes, wanted at most {Array.MaxLength - CopyBytes}");
        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)size + CopyBytes);
        int at = 0;
        foreach (int id in ids)
        {
            if (skipSpecial && _isSpecial[id]) continue;
            int start = _bytesEnd[id], length = _bytesEnd[id + 1] - start;

            // Most tokens are short: a copy of fixed size, over which the next token goes, is the fastest.
            if (length <= CopyBytes) Vector128.LoadUnsafe(ref _bytes[0], (nuint)start).StoreUnsafe(ref bytes[0], (nuint)at);
            else _bytes.AsSpan(start, length).CopyTo(bytes.AsSpan(at));
            at += length;
        }

        string text = Encoding.UTF8.GetString(bytes, 0, at);
        ArrayPool<byte>.Shared.Return(bytes);
        return text;
    }

    private int Checked(int id) =>
        (uint)id < (uint)_tokens.Length ? id : throw new TandemException($"token id {id} is not in the vocabulary, wanted 0 to {_tokens.Length - 1}");

    private void SetToken(int id, string token)
    {
        if (_tokens[id] is { } taken && taken != token) throw new TandemException($"id {id} is token '{taken}' and token '{token}', wanted one token an id");
        _tokens[id] = token;
    }
}

/// <summary>The parts of a tokenizer around its model; null is none.</summary>
internal sealed record TokenizerParts
{
    /// <summary>Tokens that are cut out before anything else.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>Changes the text.</summary>
    public Normalizer? Normalizer { get; init; }

    /// <summary>Cuts it into words.</summary>
    public PreTokenizer? PreTokenizer { get; init; }

    /// <summary>Puts special tokens around it.</summary>
    public PostProcessor? PostProcessor { get; init; }

    /// <summary>How sequences that are too long are cut, where that is asked for.</summary>
    public Truncation? Truncation { get; init; }

    /// <summary>How sequences are padded, where that is asked for.</summary>
    public Padding? Padding { get; init; }

    /// <summary>Turns tokens into text again.</summary>
    public Decoder Decoder { get; init; } = new ByteLevelDecoder();
}
