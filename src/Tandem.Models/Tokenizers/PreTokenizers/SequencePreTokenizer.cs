using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>
/// Several pre-tokenizers, each cutting the pieces of the one before. Where all of them cut runs of characters off, a <see cref="BorderTable"/> does it in
/// one go. Where none changes the text, a piece goes straight to the next part that may cut it, as its characters say: most words meet one part and no more.
/// </summary>
internal sealed class SequencePreTokenizer : PreTokenizer
{
    private const int MaxDirect = 8, PageUnits = 256;

    // What a part cut, part by part, before it is cut on.
    [ThreadStatic]
    private static List<Piece>?[]? t_cuts;

    private readonly PreTokenizer[] _parts;
    private Func<char, bool>[]? _cutters;

    // All of the parts as one.
    private BorderTable? _borders;

    // For each UTF-16 unit the parts that it may be cut by, as bits; pages are made when they are needed.
    private readonly byte[]?[] _masks = new byte[]?[(char.MaxValue + 1) / PageUnits];

    /// <summary>Makes a sequence. Parts behind ByteLevel see the bytes as characters.</summary>
    public SequencePreTokenizer(PreTokenizer[] parts)
    {
        _parts = parts;
        foreach (ByteLevelPreTokenizer part in parts.SkipLast(1).OfType<ByteLevelPreTokenizer>()) part.WriteBytes();
        FindCutters();
    }

    /// <inheritdoc/>
    public override bool TakesBytes => _parts.Any(p => p.TakesBytes);

    /// <inheritdoc/>
    public override void WriteBytes()
    {
        foreach (PreTokenizer part in _parts) part.WriteBytes();
        FindCutters();
    }

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text, List<Piece> pieces)
    {
        foreach (PreTokenizer part in _parts) text = part.Apply(text, pieces);
        return text;
    }

    /// <inheritdoc/>
    public override AlignedText CutNext(AlignedText text, scoped ref int at, List<Piece> pieces)
    {
        if (_parts.Length == 0) return base.CutNext(text, ref at, pieces);
        if (_borders != null)
        {
            _borders.CutNext(text.Text, ref at, pieces);
            return text;
        }

        if (_cutters == null)
        {
            text = _parts[0].CutNext(text, ref at, pieces);
            for (int i = 1; i < _parts.Length; i++) text = _parts[i].Apply(text, pieces);
            return text;
        }

        List<Piece>?[] cuts = t_cuts ??= new List<Piece>?[MaxDirect];
        List<Piece> first = Emptied(cuts, 0);
        _parts[0].CutNext(text, ref at, first);
        CutOn(text.Text, first, 1, pieces, cuts);
        return text;
    }

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces) => throw new InvalidOperationException("bug: the parts of a sequence cut");

    private void FindCutters()
    {
        Func<char, bool>[] cutters = [.. _parts.Select(p => p.Cutters).OfType<Func<char, bool>>()];
        _cutters = cutters.Length == _parts.Length && _parts.Length is > 0 and <= MaxDirect ? cutters : null;
        IReadOnlyList<RunCut>?[] cuts = [.. _parts.Select(p => p.RunCuts)];
        _borders = cuts.Length > 0 && !cuts.Contains(null) ? BorderTable.TryMake([.. cuts.SelectMany(c => c!)]) : null;
    }

    private static List<Piece> Emptied(List<Piece>?[] cuts, int part)
    {
        const int Kept = 1 << 14;
        List<Piece> list = cuts[part] ??= [];
        if (list.Capacity > Kept) list = cuts[part] = [];
        list.Clear();
        return list;
    }

    private void CutOn(ReadOnlySpan<char> text, List<Piece> from, int next, List<Piece> pieces, List<Piece>?[] cuts)
    {
        foreach (Piece piece in CollectionsMarshal.AsSpan(from))
        {
            int mask = MaskOf(text.Slice(piece.Start, piece.Length)) >> next;
            if (mask == 0)
            {
                pieces.Add(piece);
                continue;
            }

            int part = next + BitOperations.TrailingZeroCount(mask);
            List<Piece> cut = Emptied(cuts, part);
            _parts[part].Cut(text, piece, cut);
            if (cut.Count == 1 && mask == 1 << (part - next)) pieces.Add(piece);
            else CutOn(text, cut, part + 1, pieces, cuts);
        }
    }

    private int MaskOf(ReadOnlySpan<char> piece)
    {
        int mask = 0;
        ref byte latin = ref MemoryMarshal.GetArrayDataReference(_masks[0] ?? MakePage(0));
        foreach (char unit in piece)
        {
            if (unit < PageUnits) mask |= Unsafe.Add(ref latin, unit);
            else mask |= (_masks[unit / PageUnits] ?? MakePage(unit / PageUnits))[unit % PageUnits];
        }

        return mask;
    }

    private byte[] MakePage(int index)
    {
        var page = new byte[PageUnits];
        for (int i = 0; i < page.Length; i++)
            for (int part = 0; part < _cutters!.Length; part++)
                if (_cutters[part]((char)((index * PageUnits) + i))) page[i] |= (byte)(1 << part);

        // Several threads may make the same page; any of them will do.
        Volatile.Write(ref _masks[index], page);
        return page;
    }
}
