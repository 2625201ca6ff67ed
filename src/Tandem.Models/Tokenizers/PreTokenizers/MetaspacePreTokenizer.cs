using System.Text.Json;

namespace Tandem.Models;

/// <summary>Which pieces are given a replacement character in front.</summary>
internal enum PrependScheme
{
    /// <summary>None.</summary>
    Never,

    /// <summary>The one that begins the text.</summary>
    First,

    /// <summary>All.</summary>
    Always,
}

/// <summary>SentencePiece's words: spaces become a visible character, one is put in front, and pieces start with it.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split) : PreTokenizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        var built = new AlignedTextBuilder(text.Text.Length + pieces.Count);
        int count = pieces.Count;
        for (int i = 0; i < count; i++)
        {
            AlignedText piece = text.Slice(pieces[i].Start, pieces[i].Length);
            int start = built.Length;
            if (piece.Text[0] is not ' ' && piece.Text[0] != replacement && (scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.StartOf(0) == 0)))
            {
                CharClasses.At(piece.Text, 0, out int length);
                built.Append(replacement, piece.StartOf(0), piece.EndOf(length - 1));
            }

            for (int at = 0; at < piece.Text.Length; at++) built.AppendUnit(piece.Text[at] == ' ' ? replacement : piece.Text[at], piece.StartOf(at), piece.EndOf(at));
            pieces[i] = new Piece(start, built.Length - start);
        }

        AlignedText result = built.Build();
        return split ? base.Apply(result, pieces) : result;
    }

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        var splitter = new PieceSplitter(SplitBehavior.MergedWithNext, pieces);
        int gap = piece.Start, end = piece.Start + piece.Length;
        for (int at = piece.Start; at < end; at++)
        {
            if (text[at] != replacement) continue;
            splitter.Add(gap, at - gap, match: false);
            splitter.Add(at, 1, match: true);
            gap = at + 1;
        }

        splitter.Add(gap, end - gap, match: false);
    }

    /// <summary>Reads the part.</summary>
    public static MetaspacePreTokenizer Parse(JsonElement part, string place)
    {
        (char replacement, PrependScheme scheme, bool split) = ParseOptions(part, place);
        return new MetaspacePreTokenizer(replacement, scheme, split);
    }

    /// <summary>Reads what pre-tokenizer and decoder share. Old files say with a boolean whether a character is put in front.</summary>
    public static (char Replacement, PrependScheme Scheme, bool Split) ParseOptions(JsonElement part, string place)
    {
        string replacement = PartJson.Text(part, place, "replacement", "\u2581");
        if (replacement.Length != 1 || char.IsSurrogate(replacement[0])) throw new TandemException($"{place}.replacement: '{replacement}', wanted one character of the basic plane");
        string scheme = PartJson.Text(part, place, "prepend_scheme", PartJson.Bool(part, place, "add_prefix_space", true) ? "always" : "never");
        PrependScheme known = scheme switch
        {
            "never" => PrependScheme.Never,
            "first" => PrependScheme.First,
            "always" => PrependScheme.Always,
            _ => throw PartJson.Unsupported($"{place}.prepend_scheme", scheme, "always, first, never"),
        };
        return (replacement[0], known, PartJson.Bool(part, place, "split", true));
    }
}
