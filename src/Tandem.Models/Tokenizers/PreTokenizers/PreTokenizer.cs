using System.Text.Json;

namespace Tandem.Models;

/// <summary>A run of UTF-16 units of a text.</summary>
internal readonly record struct Piece(int Start, int Length);

/// <summary>Cuts a text into words; the model never joins across their borders.</summary>
internal abstract class PreTokenizer
{
    private const string Supported =
        "ByteLevel, Digits, Split, Metaspace, Whitespace, WhitespaceSplit, BertPreTokenizer, Punctuation, UnicodeScripts, CharDelimiterSplit, FixedLength, Sequence";

    private JsonElement _source;

    /// <summary>Whether the words go to the model as bytes.</summary>
    public virtual bool TakesBytes => false;

    /// <summary>Of a part that leaves the text as it is: the UTF-16 units without any of which a piece stays whole. Null is no such part.</summary>
    public virtual Func<char, bool>? Cutters => null;

    /// <summary>Of a part that cuts runs of characters off, one kind after another: those kinds. Null is another part.</summary>
    public virtual IReadOnlyList<RunCut>? RunCuts => null;

    /// <summary>Words that would go to the model as bytes are written in the byte alphabet instead, for models of characters.</summary>
    public virtual void WriteBytes()
    {
    }

    /// <summary>Cuts each piece of a text in place; a part that changes the text gives the one that the pieces are of then.</summary>
    public virtual AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        // Cuts behind the pieces of the stage before, then moves what it cut over them.
        int end = pieces.Count;
        for (int i = 0; i < end; i++) Cut(text.Text, pieces[i], pieces);
        pieces.RemoveRange(0, end);
        return text;
    }

    /// <summary>
    /// Appends the next pieces of a text from <paramref name="at"/> on, which moves behind them: some where the part can stop between words, so that a long
    /// text needs no long list, else all. Gives the text that the pieces are of.
    /// </summary>
    public virtual AlignedText CutNext(AlignedText text, scoped ref int at, List<Piece> pieces)
    {
        pieces.Add(new Piece(at, text.Text.Length - at));
        at = text.Text.Length;
        return Apply(text, pieces);
    }

    /// <summary>Writes the part as in <c>tokenizer.json</c>.</summary>
    public virtual void Write(Utf8JsonWriter json) => _source.WriteTo(json);

    /// <summary>Reads the part; null is none.</summary>
    public static PreTokenizer? Read(JsonElement part, string place)
    {
        if (part.ValueKind == JsonValueKind.Null) return null;
        string kind = PartJson.Type(part, place);
        PreTokenizer preTokenizer = kind switch
        {
            "ByteLevel" => ByteLevelPreTokenizer.Parse(part, place),
            "Digits" => new DigitsPreTokenizer(PartJson.Bool(part, place, "individual_digits", false)),
            "Split" => SplitPreTokenizer.Parse(part, place),
            "Metaspace" => MetaspacePreTokenizer.Parse(part, place),
            "Whitespace" => new WhitespacePreTokenizer(),
            "WhitespaceSplit" => new WhitespaceSplitPreTokenizer(bert: false),
            "BertPreTokenizer" => new WhitespaceSplitPreTokenizer(bert: true),
            "Punctuation" => new PunctuationPreTokenizer(PieceSplitter.Parse(part, place, SplitBehavior.Isolated)),
            "UnicodeScripts" => new UnicodeScriptsPreTokenizer(),
            "CharDelimiterSplit" => CharDelimiterPreTokenizer.Parse(part, place),
            "FixedLength" => FixedLengthPreTokenizer.Parse(part, place),
            "Sequence" => new SequencePreTokenizer([.. PartJson.Items(part, place, "pretokenizers").Select(p => Read(p.Item, p.Place) ?? throw new TandemException($"{p.Place}: null, wanted one of {Supported}"))]),
            _ => throw PartJson.Unsupported(place, kind, Supported),
        };
        preTokenizer._source = part.Clone();
        return preTokenizer;
    }

    /// <summary>Appends the pieces of one piece of a text, in order.</summary>
    public abstract void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces);
}
