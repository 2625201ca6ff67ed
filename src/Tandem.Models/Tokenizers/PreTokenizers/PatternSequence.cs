using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// Patterns that cut one after another, each the pieces of the one before, for a model over bytes: in <c>tokenizer.json</c> a sequence of Splits and ByteLevel.
/// </summary>
internal sealed class PatternSequence(IReadOnlyList<SplitPattern> patterns) : PreTokenizer
{
    private static readonly JsonEncodedText Isolated = JsonEncodedText.Encode(nameof(SplitBehavior.Isolated));

    /// <inheritdoc/>
    public override bool TakesBytes => true;

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        foreach (SplitPattern pattern in patterns)
        {
            int end = pieces.Count;
            for (int i = 0; i < end; i++) pattern.Cut(text.Text, pieces[i], pieces);
            pieces.RemoveRange(0, end);
        }

        return text;
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        foreach (SplitPattern pattern in patterns)
        {
            json.WriteStartObject();
            json.WriteString("type", "Split");
            json.WriteStartObject("pattern");
            json.WriteString("Regex", pattern.Source);
            json.WriteEndObject();
            json.WriteString("behavior", Isolated);
            json.WriteBoolean("invert", false);
            json.WriteEndObject();
        }

        ByteLevelPreTokenizer.WriteByteLevel(json, addPrefixSpace: false, trimOffsets: true, useRegex: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <inheritdoc/>
    protected override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces) => throw new InvalidOperationException("bug: the patterns of a sequence cut");
}
