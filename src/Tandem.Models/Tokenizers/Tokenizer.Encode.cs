using System.Runtime.InteropServices;
using System.Text;

namespace Tandem.Models;

/// <content>The walk of a text through the parts.</content>
public sealed partial class Tokenizer
{
    // Pieces of the text that a thread encodes; kept, so that a text costs no list.
    [ThreadStatic]
    private static List<Piece>? t_pieces;

    // The ids of a text before their number is known; kept for the next one.
    [ThreadStatic]
    private static List<int>? t_ids;

    private const int KeptPieces = 1 << 16, KeptIds = 1 << 20;

    /// <summary>Token ids of a text, without special tokens around it.</summary>
    public int[] Encode(string text, SpecialTokens special = SpecialTokens.AsText) => Encode(text, addSpecial: false, special);

    /// <summary>Token ids of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecial">Whether the post-processor puts its special tokens around the text, such as one that begins a text.</param>
    /// <param name="special">What becomes of the text of special tokens. Text of users should not be parsed.</param>
    /// <exception cref="TandemException">The text has a special token and those are forbidden.</exception>
    public int[] Encode(string text, bool addSpecial, SpecialTokens special = SpecialTokens.AsText)
    {
        List<int> ids = t_ids ?? [];
        t_ids = null;
        ids.Clear();
        if (!addSpecial || Parts.PostProcessor == null)
        {
            Encode(text, ids, special);
        }
        else
        {
            foreach (TemplatePart part in Parts.PostProcessor.Single)
            {
                if (part.Sequence == 0) Encode(text, ids, special);
                else ids.AddRange(part.Ids);
            }
        }

        int[] result = [.. ids];
        if (ids.Capacity <= KeptIds) t_ids = ids;
        return result;
    }

    /// <summary>
    /// Token ids of a text that a template wrote, without special tokens around it: special tokens are parsed where all of their characters are the template's own, and are text
    /// where any came from the input. Nothing else depends on where characters came from: what lies between two special tokens is encoded as one.
    /// </summary>
    public int[] Encode(RenderedTemplate text)
    {
        var ids = new List<int>((text.Text.Length / 3) + 8);
        EncodeText(text.Text, new Output(ids, null, null) { Input = [.. text.InputSpans] }, SpecialTokens.Parse);
        return [.. ids];
    }

    /// <summary>As <see cref="Encode(RenderedTemplate)"/>, with the tokens' places.</summary>
    public TokenEncoding EncodeWithOffsets(RenderedTemplate text) => new(Sequence(text.Text, 0, SpecialTokens.Parse, [.. text.InputSpans]), text.Text);

    /// <summary>Appends the token ids of a text, without special tokens around it.</summary>
    /// <exception cref="TandemException">The text has a special token and those are forbidden.</exception>
    public void Encode(ReadOnlySpan<char> text, List<int> ids, SpecialTokens special = SpecialTokens.AsText) => EncodeText(text, new Output(ids, null, null), special);

    /// <summary>Tokens of a text, or of two, with their places in the text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="pair">A second text, or null.</param>
    /// <param name="addSpecial">Whether the post-processor puts its special tokens around.</param>
    /// <param name="special">What becomes of the text of special tokens.</param>
    /// <exception cref="TandemException">The text has a special token and those are forbidden.</exception>
    public TokenEncoding EncodeWithOffsets(string text, string? pair = null, bool addSpecial = false, SpecialTokens special = SpecialTokens.AsText)
    {
        EncodedToken[][] sequences = [Sequence(text, 0, special), pair == null ? [] : Sequence(pair, 1, special)];
        var tokens = new List<EncodedToken>();
        TemplatePart[] template = (pair == null ? Parts.PostProcessor?.Single : Parts.PostProcessor?.Pair) ?? [new(0, 0, []), new(1, 0, [])];
        foreach (TemplatePart part in template)
        {
            if (part.Sequence >= 0) tokens.AddRange(sequences[part.Sequence].Select(t => t with { TypeId = part.TypeId }));
            else if (addSpecial) tokens.AddRange(part.Ids.Select(id => new EncodedToken(id, TokenText(id), 0, 0, -1, part.TypeId)));
        }

        return pair == null ? new TokenEncoding(tokens, text) : new TokenEncoding(tokens, text, pair);
    }

    private EncodedToken[] Sequence(string text, int sequence, SpecialTokens special, TextSpan[]? input = null)
    {
        var output = new Output([], [], []) { Input = input ?? [] };
        EncodeText(text, output, special);
        return [.. output.Tokens!.Select((t, i) => Parts.PostProcessor?.Trim(t with { Sequence = sequence }, i == 0, text) ?? t with { Sequence = sequence })];
    }

    private void EncodeText(ReadOnlySpan<char> text, Output output, SpecialTokens special) => CutTokens(new AlignedText(text, 0), output, special, _rawTokens, normalized: false);

    // Added tokens become ids; what lies between goes on: after the raw ones to the normalizer and the normalized tokens, after those to the words.
    private void CutTokens(AlignedText text, Output output, SpecialTokens special, AddedTokenMatcher matcher, bool normalized)
    {
        int done = 0, from = matcher.OnlySpecial && special == SpecialTokens.AsText ? text.Text.Length : 0;
        while (matcher.Find(text, from, output.Input, out int at, out int length) is { } token)
        {
            int start = at, end = from = at + length;
            if ((token.Special && special == SpecialTokens.AsText) || (token.SingleWord && !StandsAlone(text.Text, start, end))) continue;
            if (token.Special && special == SpecialTokens.Forbid)
                throw new TandemException($"the text has the special token '{token.Content}' at {text.StartOf(at)}, which is not allowed here");
            while (token.LeftStrip && start > done && char.IsWhiteSpace(text.Text[start - 1])) start--;
            while (token.RightStrip && end < text.Text.Length && char.IsWhiteSpace(text.Text[end])) end++;
            if (start > done) GoOn(text.Slice(done, start - done), output, special, normalized);
            output.Add(token.Id, text.Slice(start, end - start));
            done = end;
            from = Math.Max(from, done);
        }

        if (done < text.Text.Length) GoOn(done == 0 ? text : text.Slice(done, text.Text.Length - done), output, special, normalized);
    }

    private void GoOn(AlignedText text, Output output, SpecialTokens special, bool normalized)
    {
        if (normalized) EncodeWords(text, output);
        else CutTokens(Parts.Normalizer == null ? text : Parts.Normalizer.Apply(text), output, special, _normalizedTokens, normalized: true);
    }

    private void EncodeWords(AlignedText text, Output output)
    {
        if (text.Text.IsEmpty) return;
        if (Parts.PreTokenizer is not { } preTokenizer)
        {
            EncodePieces(text, [new Piece(0, text.Text.Length)], output);
            return;
        }

        List<Piece> pieces = t_pieces ??= [];
        for (int at = 0; at < text.Text.Length;)
        {
            pieces.Clear();
            AlignedText cut = preTokenizer.CutNext(text, ref at, pieces);
            EncodePieces(cut, CollectionsMarshal.AsSpan(pieces), output);
        }

        if (pieces.Capacity > KeptPieces) t_pieces = null;
    }

    private void EncodePieces(AlignedText text, ReadOnlySpan<Piece> pieces, Output output)
    {
        if (output.Tokens == null) Model.EncodeWords(text.Text, pieces, output.Ids);
        else
            foreach (Piece piece in pieces) EncodeWord(text.Slice(piece.Start, piece.Length), output);
    }

    private void EncodeWord(AlignedText word, Output output)
    {
        int first = output.Ids.Count;
        output.Ranges?.Clear();
        Model.Encode(word.Text, output.Ids, output.Ranges);
        Place(word, CollectionsMarshal.AsSpan(output.Ids)[first..], CollectionsMarshal.AsSpan(output.Ranges), output.Tokens!);
    }

    // Tokens are ranges of the word's bytes: each stands for the characters that any of its bytes belongs to.
    private void Place(AlignedText word, ReadOnlySpan<int> ids, ReadOnlySpan<ByteRange> ranges, List<EncodedToken> tokens)
    {
        int at = 0, atByte = 0;
        int size = CharacterAt(word.Text, at, out int length);
        for (int i = 0; i < ids.Length; i++)
        {
            // Ranges of several tokens may be the same one.
            if (ranges[i].Start < atByte) (at, atByte, size) = (0, 0, CharacterAt(word.Text, 0, out length));
            while (atByte + size <= ranges[i].Start) Advance(word.Text);
            int start = at;
            while (atByte + size < ranges[i].End) Advance(word.Text);

            // An empty range stands for nothing, at the start of its character.
            bool empty = ranges[i].End == ranges[i].Start;
            int end = at + length;
            string text = ids[i] == Model.SurfaceId ? word.Text[start..end].ToString() : TokenText(ids[i]);
            tokens.Add(new EncodedToken(ids[i], text, word.StartOf(start), empty ? word.StartOf(start) : word.EndOf(end - 1), 0, 0));
        }

        void Advance(ReadOnlySpan<char> text)
        {
            (at, atByte) = (at + length, atByte + size);
            size = CharacterAt(text, at, out length);
        }
    }

    private static int CharacterAt(ReadOnlySpan<char> text, int at, out int length)
    {
        // Half a surrogate pair is encoded as U+FFFD.
        Rune.DecodeFromUtf16(text[at..], out Rune rune, out length);
        return rune.Utf8SequenceLength;
    }

    private static bool StandsAlone(ReadOnlySpan<char> text, int start, int end) =>
        (start == 0 || !IsWord(CharClasses.Before(text, start), text[start - 1])) && (end == text.Length || !IsWord(CharClasses.At(text, end, out _), text[end]));

    private static bool IsWord(CharClass kind, char c) => (kind & (CharClass.Letter | CharClass.Number | CharClass.Mark)) != 0 || c == '_';

    /// <summary>Where tokens go: ids always, places where they are wanted.</summary>
    private readonly record struct Output(List<int> Ids, List<EncodedToken>? Tokens, List<ByteRange>? Ranges)
    {
        /// <summary>Where special tokens are text: ranges of the original, in order.</summary>
        public TextSpan[] Input { get; init; } = [];

        public void Add(int id, AlignedText text)
        {
            Ids.Add(id);
            Tokens?.Add(new EncodedToken(id, text.Text.ToString(), text.StartOf(0), text.EndOf(text.Text.Length - 1), 0, 0));
        }
    }
}
