using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>Cuts at a character, which is left out.</summary>
internal sealed class CharDelimiterPreTokenizer(string delimiter) : PreTokenizer
{
    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int gap = piece.Start, end = piece.Start + piece.Length;
        while (gap < end)
        {
            int length = text[gap..end].IndexOf(delimiter);
            if (length < 0) length = end - gap;
            if (length > 0) pieces.Add(new Piece(gap, length));
            gap += length + delimiter.Length;
        }
    }

    /// <summary>Reads the part.</summary>
    public static CharDelimiterPreTokenizer Parse(JsonElement part, string place)
    {
        string delimiter = PartJson.String(PartJson.Need(part, place, "delimiter"), $"{place}.delimiter");
        return Rune.DecodeFromUtf16(delimiter, out _, out int length) == OperationStatus.Done && length == delimiter.Length
            ? new CharDelimiterPreTokenizer(delimiter)
            : throw new TandemException($"{place}.delimiter: '{delimiter}', wanted one character");
    }
}
