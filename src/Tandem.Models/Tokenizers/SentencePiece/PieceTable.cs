using System.Text;

namespace Tandem.Models;

/// <summary>What a piece of a SentencePiece vocabulary is for. GGUF numbers its tokens' types the same way.</summary>
internal enum PieceType
{
    /// <summary>Not said.</summary>
    Undefined,

    /// <summary>A part of words.</summary>
    Normal,

    /// <summary>What stands for characters without a piece.</summary>
    Unknown,

    /// <summary>A control symbol: never found in a text by itself.</summary>
    Control,

    /// <summary>A symbol that is always a token of its own.</summary>
    UserDefined,

    /// <summary>There, but never used.</summary>
    Unused,

    /// <summary>A byte.</summary>
    Byte,
}

/// <summary>A piece of a vocabulary.</summary>
internal readonly record struct VocabularyPiece(string Text, float Score, PieceType Type);

/// <summary>The pieces of a vocabulary; a piece's id is its place.</summary>
internal sealed class PieceTable
{
    private readonly VocabularyPiece[] _pieces;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly int[]? _byteIds;

    /// <summary>Makes a table.</summary>
    /// <param name="pieces">The pieces by id.</param>
    /// <param name="unknown">Id of the one for unknown characters.</param>
    /// <param name="byteFallback">Whether unknown characters are written as bytes.</param>
    /// <param name="place">What the list is called in messages.</param>
    /// <exception cref="TandemException">A piece is there twice, a score is no number, or a byte has no piece.</exception>
    public PieceTable(VocabularyPiece[] pieces, int unknown, bool byteFallback, string place)
    {
        (_pieces, Unknown) = (pieces, unknown);
        for (int id = 0; id < pieces.Length; id++)
        {
            if (!_ids.TryAdd(pieces[id].Text, id)) throw new TandemException($"{place}[{id}]: {CheckpointException.Quote(pieces[id].Text)} is there twice, first as {_ids[pieces[id].Text]}");
            if (!float.IsFinite(pieces[id].Score)) throw new TandemException($"{place}[{id}]: the score {pieces[id].Score} of {CheckpointException.Quote(pieces[id].Text)}, wanted a finite number");
        }

        if (!byteFallback) return;
        _byteIds = new int[256];
        for (int b = 0; b < 256; b++)
        {
            if (!_ids.TryGetValue(UnigramModel.ByteToken(b), out _byteIds[b]) || pieces[_byteIds[b]].Type != PieceType.Byte)
                throw new TandemException($"{place}: byte {b} has no piece '{UnigramModel.ByteToken(b)}' of type byte, wanted one for each of the 256");
        }
    }

    /// <summary>The piece of an id.</summary>
    public VocabularyPiece this[int id] => _pieces[id];

    /// <summary>Number of pieces.</summary>
    public int Count => _pieces.Length;

    /// <summary>Ids by text.</summary>
    public IReadOnlyDictionary<string, int> Ids => _ids;

    /// <summary>Id of the piece for unknown characters.</summary>
    public int Unknown { get; }

    /// <summary>The pieces of some types with their ids.</summary>
    public IEnumerable<(int Id, string Text)> Of(params PieceType[] types)
    {
        for (int id = 0; id < _pieces.Length; id++)
            if (types.Contains(_pieces[id].Type)) yield return (id, _pieces[id].Text);
    }

    /// <summary>
    /// Adds what stands for characters without a piece: their bytes, of which the last stands for all the characters and the others for nothing; or the
    /// unknown piece, once for neighbours.
    /// </summary>
    public void AddUnknown(ReadOnlySpan<char> text, int start, bool afterUnknown, List<int> ids, List<ByteRange>? ranges)
    {
        int size = Encoding.UTF8.GetByteCount(text);
        if (_byteIds == null)
        {
            if (!afterUnknown) ids.Add(Unknown);
            if (afterUnknown && ranges != null) ranges[^1] = ranges[^1] with { End = start + size };
            else ranges?.Add(new ByteRange(start, start + size));
            return;
        }

        Span<byte> bytes = stackalloc byte[4];
        foreach (Rune rune in text.EnumerateRunes())
        {
            int count = rune.EncodeToUtf8(bytes);
            for (int i = 0; i < count; i++)
            {
                ids.Add(_byteIds[bytes[i]]);
                ranges?.Add(new ByteRange(start, i == count - 1 ? start + count : start));
            }

            start += count;
        }
    }
}
