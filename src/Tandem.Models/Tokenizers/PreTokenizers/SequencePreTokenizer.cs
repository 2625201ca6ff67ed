using System.Text.Json;

namespace Tandem.Models;

/// <summary>Several pre-tokenizers, each cutting the pieces of the one before.</summary>
internal sealed class SequencePreTokenizer(PreTokenizer[] parts) : PreTokenizer
{
    /// <inheritdoc/>
    public override bool AddsPrefixSpace => parts.Length > 0 && parts[0].AddsPrefixSpace;

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int first = pieces.Count;
        pieces.Add(piece);
        foreach (PreTokenizer part in parts)
        {
            // Cuts behind the pieces of the stage before, then moves what it cut over them.
            int end = pieces.Count;
            for (int i = first; i < end; i++) part.Cut(text, pieces[i], pieces);
            pieces.RemoveRange(first, end - first);
        }
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        foreach (PreTokenizer part in parts) part.Write(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
