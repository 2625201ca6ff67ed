using System.Text.Json;

namespace Tandem.Models;

/// <summary>GPT-2's words, or the text as one piece where an earlier part cut it. The bytes themselves are the model's business.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex, bool trimOffsets = true) : PreTokenizer
{
    /// <inheritdoc/>
    public override bool TakesBytes => !WritesBytes;

    /// <summary>Whether the text itself becomes its bytes in the byte alphabet, for parts that follow to cut or for a model of characters.</summary>
    public bool WritesBytes { get; private set; }

    /// <inheritdoc/>
    public override void WriteBytes() => WritesBytes = true;

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        if (!addPrefixSpace && !useRegex && !WritesBytes) return text;
        text = base.Apply(addPrefixSpace ? Prefixed(text, pieces) : text, pieces);
        return WritesBytes ? Written(text, pieces) : text;
    }

    /// <inheritdoc/>
    public override Func<char, bool>? Cutters => addPrefixSpace || WritesBytes ? null : _ => useRegex;

    /// <inheritdoc/>
    public override IReadOnlyList<RunCut>? RunCuts => addPrefixSpace || WritesBytes || useRegex ? null : [];

    /// <inheritdoc/>
    public override AlignedText CutNext(AlignedText text, scoped ref int at, List<Piece> pieces)
    {
        if (addPrefixSpace || WritesBytes || !useRegex) return base.CutNext(text, ref at, pieces);
        Gpt2Pattern.Instance.CutNext(text.Text, ref at, pieces);
        return text;
    }

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        if (useRegex) Gpt2Pattern.Instance.Cut(text, piece, pieces);
        else pieces.Add(piece);
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => WriteByteLevel(json, addPrefixSpace, trimOffsets, useRegex);

    /// <summary>Reads the part.</summary>
    public static ByteLevelPreTokenizer Parse(JsonElement part, string place) => new(
        PartJson.Bool(part, place, "add_prefix_space", true), PartJson.Bool(part, place, "use_regex", true), PartJson.Bool(part, place, "trim_offsets", true));

    /// <summary>Writes a part of type ByteLevel, which pre-tokenizer, post-processor and decoder share.</summary>
    public static void WriteByteLevel(Utf8JsonWriter json, bool addPrefixSpace, bool trimOffsets, bool useRegex)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", addPrefixSpace);
        json.WriteBoolean("trim_offsets", trimOffsets);
        json.WriteBoolean("use_regex", useRegex);
        json.WriteEndObject();
    }

    // A space before each piece that does not start with one; it stands for the piece's first character.
    private static AlignedText Prefixed(AlignedText text, List<Piece> pieces)
    {
        var built = new AlignedTextBuilder(text.Text.Length + pieces.Count);
        for (int i = 0; i < pieces.Count; i++)
        {
            AlignedText piece = text.Slice(pieces[i].Start, pieces[i].Length);
            int start = built.Length;
            if (piece.Text[0] != ' ')
            {
                CharClasses.At(piece.Text, 0, out int length);
                built.Append(' ', piece.StartOf(0), piece.EndOf(length - 1));
            }

            built.Append(piece);
            pieces[i] = new Piece(start, built.Length - start);
        }

        return built.Build();
    }

    private static AlignedText Written(AlignedText text, List<Piece> pieces)
    {
        var built = new AlignedTextBuilder(text.Text.Length);
        for (int i = 0; i < pieces.Count; i++)
        {
            int start = built.Length;
            built.Append(ByteLevelNormalizer.Written(text.Slice(pieces[i].Start, pieces[i].Length)));
            pieces[i] = new Piece(start, built.Length - start);
        }

        return built.Build();
    }
}
