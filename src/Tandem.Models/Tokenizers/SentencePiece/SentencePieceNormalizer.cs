using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>What a SentencePiece normalizer does.</summary>
internal sealed record SentencePieceNormalizerOptions
{
    /// <summary>The compiled rules, or null.</summary>
    public CompiledRules? Rules { get; init; }

    /// <summary>Whether a space is put in front of the text, or behind it.</summary>
    public bool AddDummyPrefix { get; init; } = true;

    /// <summary>Whether spaces at both ends go, and runs of them become one.</summary>
    public bool RemoveExtraWhitespaces { get; init; } = true;

    /// <summary>Whether spaces become a visible character.</summary>
    public bool EscapeWhitespaces { get; init; } = true;

    /// <summary>Whether words end with their space.</summary>
    public bool WhitespaceAsSuffix { get; init; }
}

/// <summary>
/// SentencePiece's own normalization of a whole text: user-defined symbols stay as they are, the longest rule that the rest starts with replaces it, spaces are
/// put right. What a rule makes stands for all it replaced: its characters begin where that began, and only the last of them ends where it ended.
/// </summary>
internal sealed class SentencePieceNormalizer(SentencePieceNormalizerOptions options, PieceTrie userDefined) : Normalizer
{
    /// <summary>What spaces become.</summary>
    public const char Space = '\u2581';

    [ThreadStatic]
    private static List<char>? t_characters;

    [ThreadStatic]
    private static List<int>? t_places;

    private readonly char _space = options.EscapeWhitespaces ? Space : ' ';

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        ReadOnlySpan<char> units = text.Text;
        Span<char> scratch = stackalloc char[2];
        int at = 0;
        while (options.RemoveExtraWhitespaces && at < units.Length && Prefix(units[at..], scratch, out int spaces) is " ") at += spaces;
        if (at == units.Length) return default;
        List<char> characters = t_characters ??= [];
        List<int> places = t_places ??= [];
        characters.Clear();
        places.Clear();
        if (options is { AddDummyPrefix: true, WhitespaceAsSuffix: false }) Add(_space, at);
        bool afterSpace = options.RemoveExtraWhitespaces;
        while (at < units.Length)
        {
            ReadOnlySpan<char> part = Prefix(units[at..], scratch, out int used);
            if (afterSpace) part = part.TrimStart(' ');
            foreach (char c in part) Add(c == ' ' ? _space : c, at);
            if (!part.IsEmpty) afterSpace = options.RemoveExtraWhitespaces && part[^1] == ' ';
            at += used;
        }

        while (options.RemoveExtraWhitespaces && characters.Count > 0 && characters[^1] == _space)
        {
            at = places[^1];
            characters.RemoveAt(characters.Count - 1);
            places.RemoveAt(places.Count - 1);
        }

        if (options is { AddDummyPrefix: true, WhitespaceAsSuffix: true }) Add(_space, at);
        places.Add(at);
        AlignedText built = Build(text, characters, places);
        if (characters.Capacity > 1 << 16) (t_characters, t_places) = (null, null);
        return built;

        void Add(char c, int place)
        {
            characters.Add(c);
            places.Add(place);
        }
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => throw new TandemException("normalizer: SentencePiece's normalization of the whole text has no form in tokenizer.json");

    // Each unit stands for what lies between its place and the next one's. The second half of a pair has its first half's place.
    private static AlignedText Build(AlignedText text, List<char> characters, List<int> places)
    {
        var built = new AlignedTextBuilder(characters.Count);
        for (int i = 0; i < characters.Count; i++)
        {
            int next = char.IsHighSurrogate(characters[i]) && i + 2 < places.Count && char.IsLowSurrogate(characters[i + 1]) ? i + 2 : i + 1;
            built.AppendUnit(characters[i], Place(text, places[i]), Place(text, places[next]));
        }

        return built.Build();
    }

    private static int Place(AlignedText text, int at) => at < text.Text.Length ? text.StartOf(at) : text.EndOf(at - 1);

    // What the start of a text becomes, and how much of it that is.
    private ReadOnlySpan<char> Prefix(ReadOnlySpan<char> text, Span<char> scratch, out int used)
    {
        if (userDefined.Longest(text, out used) >= 0) return text[..used];
        if (options.Rules != null && options.Rules.TryLongest(text, out ReadOnlySpan<byte> replacement, out used)) return Encoding.UTF8.GetString(replacement);
        Rune.DecodeFromUtf16(text, out Rune rune, out used);
        return scratch[..rune.EncodeToUtf16(scratch)];
    }
}
