using System.Runtime.InteropServices;
using System.Text;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>The text of some files in memory, in pieces that can be tokenised one by one.</summary>
/// <param name="Name">Name for messages.</param>
/// <param name="Pieces">The pieces, documents one after another.</param>
internal sealed record TextPieces(string Name, IReadOnlyList<TextPiece> Pieces)
{
    /// <summary>Reads a file, or all texts of a folder.</summary>
    /// <exception cref="TandemException">It cannot be read, is no UTF-8, or has no text.</exception>
    public static TextPieces Read(string path, string jsonKey)
    {
        var pieces = new List<TextPiece>();
        using var reader = new DocumentReader(TextInputs.Find([path]), jsonKey);
        while (reader.Next() is { } chunk) pieces.AddRange(chunk);
        return pieces.Count > 0 ? new TextPieces(path, pieces) : throw new TandemException($"'{path}' is empty; accepted: a text with at least one character");
    }

    /// <summary>Cuts at a share of the characters; a document that is cut ends in the first part without its end.</summary>
    public (TextPieces Train, TextPieces Validation) SplitTail(double share)
    {
        long cut = (long)(Pieces.Sum(p => (long)p.Text.Length) * (1 - share)), before = 0;
        var train = new List<TextPiece>();
        var validation = new List<TextPiece>();
        foreach (TextPiece piece in Pieces)
        {
            int at = (int)Math.Clamp(cut - before, 0, piece.Text.Length);
            if (at < piece.Text.Length && at > 0 && char.IsLowSurrogate(piece.Text[at])) at--;
            before += piece.Text.Length;
            if (at == piece.Text.Length) train.Add(piece);
            else if (at == 0) validation.Add(piece);
            else
            {
                train.Add(Part(piece.Text[..at], false));
                validation.Add(Part(piece.Text[at..], piece.EndsDocument));
            }
        }

        return (this with { Pieces = train }, this with { Pieces = validation });
    }

    /// <summary>Gives whole documents to the second part, as <see cref="Corpus.IsForValidation"/> says.</summary>
    public (TextPieces Train, TextPieces Validation) SplitDocuments(double share, ulong seed)
    {
        var train = new List<TextPiece>();
        var validation = new List<TextPiece>();
        long document = 0;
        foreach (TextPiece piece in Pieces)
        {
            (Corpus.IsForValidation(document, share, seed) ? validation : train).Add(piece);
            if (piece.EndsDocument) document++;
        }

        return (this with { Pieces = train }, this with { Pieces = validation });
    }

    /// <summary>Tokenises, a document's end token behind each that ends.</summary>
    public TokenList Encode(Tokenizer tokenizer, int? endToken)
    {
        var encoded = new int[Pieces.Count][];
        Parallel.For(0, encoded.Length, i => encoded[i] = tokenizer.Encode(Pieces[i].Text));
        var list = new TokenList(Name);
        var document = new List<int>();
        long bytes = 0;
        for (int i = 0; i < encoded.Length; i++)
        {
            document.AddRange(encoded[i]);
            bytes += Pieces[i].Bytes;
            if (!Pieces[i].EndsDocument && i + 1 < encoded.Length) continue;
            if (Pieces[i].EndsDocument && endToken is { } end) document.Add(end);
            list.Add(CollectionsMarshal.AsSpan(document), bytes);
            document.Clear();
            bytes = 0;
        }

        return list;
    }

    private static TextPiece Part(string text, bool ends) => new(text, Encoding.UTF8.GetByteCount(text), ends);
}
