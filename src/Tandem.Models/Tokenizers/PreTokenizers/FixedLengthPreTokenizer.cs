using System.Text.Json;

namespace Tandem.Models;

/// <summary>Pieces of a number of characters; the last may have fewer.</summary>
internal sealed class FixedLengthPreTokenizer(int characters) : PreTokenizer
{
    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int end = piece.Start + piece.Length;
        for (int at = piece.Start; at < end;)
        {
            int start = at;
            for (int i = 0; i < characters && at < end; i++)
            {
                CharClasses.At(text, at, out int length);
                at += length;
            }

            pieces.Add(new Piece(start, at - start));
        }
    }

    /// <summary>Reads the part.</summary>
    public static FixedLengthPreTokenizer Parse(JsonElement part, string place)
    {
        int length = part.TryGetProperty("length", out JsonElement value) ? PartJson.Id(value, $"{place}.length") : 5;
        return length > 0 ? new FixedLengthPreTokenizer(length) : throw new TandemException($"{place}.length: 0, wanted at least 1");
    }
}
