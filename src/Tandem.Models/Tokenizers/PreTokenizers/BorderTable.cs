using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>
/// Several <see cref="RunCut"/>s one after another in one run over the text. Whether any of them cuts before a character depends in most cases on no more than the
/// classes of that character and of its two neighbours: a table has the answer for every three. The others look further: where a cut takes a character before its
/// run only if none before it took that, and where white space goes on to the end of a piece.
/// </summary>
internal sealed class BorderTable
{
    private const int MaxCuts = 8, ClassBits = 5, ClassMask = (1 << ClassBits) - 1, StateMask = (1 << (3 * ClassBits)) - 1, MaxClasses = ClassMask - 1;

    // Classes beside those of the sets: no character, and half a surrogate pair, whose class is that of the pair.
    private const int Nothing = 0, Half = ClassMask;

    private readonly CharClassMap _map;
    private readonly byte[] _units = new byte[char.MaxValue + 1];
    private readonly Cut[] _cuts;
    private readonly Answer[] _table;

    private BorderTable(CharClassMap map, IReadOnlyList<RunCut> cuts)
    {
        _map = map;
        for (int c = 0; c < _units.Length; c++) _units[c] = char.IsSurrogate((char)c) ? (byte)Half : (byte)(1 + map.Of(c));

        // Nothing is in no set.
        _cuts = [.. cuts.Select((c, i) => new Cut(c.Kind, [false, .. map.Members.Select(m => m[2 * i])], [false, .. map.Members.Select(m => m[(2 * i) + 1])]))];
        _table = new Answer[StateMask + 1];
        foreach (Cut cut in _cuts) _table = With(cut, _table);
        for (int state = 0; state <= StateMask; state++)
            if (state >> (2 * ClassBits) == Half || (state >> ClassBits & ClassMask) == Half || (state & ClassMask) == Half) _table[state] = Answer.Look;
    }

    // What a cut says about a place. Unless: it cuts unless one before it cuts behind the next character. Ends: it cuts where the run ends a piece. Look: one of those.
    private enum Answer : byte
    {
        No,
        Yes,
        Unless,
        Ends,
        Look,
    }

    /// <summary>Makes the table, or null for too many sets, or for runs at the end of a piece that has line breaks.</summary>
    public static BorderTable? TryMake(IReadOnlyList<RunCut> cuts)
    {
        if (cuts.Count > MaxCuts) return null;
        int end = cuts.Select(c => c.Kind).ToList().IndexOf(RunKind.AtEnd);
        bool noLines = end < 0 || (cuts.Take(end).Any(c => c.Kind == RunKind.Single && c.Run.Has('\n')) && cuts.Skip(end + 1).All(c => c.Kind != RunKind.AtEnd));
        if (!noLines) return null;
        var map = new CharClassMap([.. cuts.SelectMany(c => (CodePointSet[])[c.Before, c.Run])]);
        return map.Count <= MaxClasses ? new BorderTable(map, cuts) : null;
    }

    /// <summary>Appends pieces of a text from <paramref name="at"/> on, where one starts, up to a number that a cache holds.</summary>
    public void CutNext(ReadOnlySpan<char> text, scoped ref int at, List<Piece> pieces)
    {
        const int Some = 512;
        int count = pieces.Count, start = at;
        CollectionsMarshal.SetCount(pieces, count + Some);
        Span<Piece> room = CollectionsMarshal.AsSpan(pieces);
        ref byte units = ref MemoryMarshal.GetArrayDataReference(_units);
        ref Answer table = ref MemoryMarshal.GetArrayDataReference(_table);
        int state = (Unsafe.Add(ref units, text[start]) << ClassBits) | (start + 1 < text.Length ? Unsafe.Add(ref units, text[start + 1]) : Nothing);
        for (int i = start + 1; i < text.Length; i++)
        {
            state = ((state << ClassBits) | (i + 1 < text.Length ? Unsafe.Add(ref units, text[i + 1]) : Nothing)) & StateMask;
            Answer answer = Unsafe.Add(ref table, state);
            if (answer == Answer.No || (answer == Answer.Look && !IsBorder(text, i))) continue;
            room[count++] = new Piece(start, i - start);
            start = i;
            if (count == room.Length) break;
        }

        if (count < room.Length)
        {
            room[count++] = new Piece(start, text.Length - start);
            start = text.Length;
        }

        CollectionsMarshal.SetCount(pieces, count);
        at = start;
    }

    private static int State(int left, int here, int right) => (((left << ClassBits) | here) << ClassBits) | right;

    // A table with one cut more.
    private Answer[] With(Cut cut, Answer[] table)
    {
        Answer[] with = [.. table];
        int classes = _map.Count;
        for (int left = 1; left <= classes; left++)
        {
            for (int here = 1; here <= classes; here++)
            {
                for (int right = Nothing; right <= classes; right++)
                {
                    Answer answer = cut.At(left, here, right) switch
                    {
                        Answer.Unless => Next(table, here, right) switch { Answer.No => Answer.Yes, Answer.Yes => Answer.No, _ => Answer.Look },
                        Answer.Ends => cut.Run[right] ? Answer.Look : Next(table, here, right),
                        var known => known,
                    };
                    ref Answer all = ref with[State(left, here, right)];
                    if (all != Answer.Yes && answer != Answer.No) all = answer;
                }
            }
        }

        return with;
    }

    // Whether there is a border between two characters, whatever follows.
    private Answer Next(Answer[] table, int left, int here)
    {
        Answer first = table[State(left, here, Nothing)];
        return Enumerable.Range(Nothing, _map.Count + 1).All(right => table[State(left, here, right)] == first) ? first : Answer.Look;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool IsBorder(ReadOnlySpan<char> text, int at) => !(char.IsLowSurrogate(text[at]) && char.IsHighSurrogate(text[at - 1])) && IsBorder(text, at, _cuts.Length);

    // Whether one of the first cuts cuts before the character at a place. Each asks only those before it, so that steps are bounded.
    private bool IsBorder(ReadOnlySpan<char> text, int at, int cuts)
    {
        if (at == text.Length) return true;
        int start = at >= 2 && char.IsLowSurrogate(text[at - 1]) && char.IsHighSurrogate(text[at - 2]) ? at - 2 : at - 1;
        int left = ClassAt(text, start, out _), here = ClassAt(text, at, out int length), right = at + length < text.Length ? ClassAt(text, at + length, out _) : Nothing;
        for (int i = 0; i < cuts; i++)
        {
            bool border = _cuts[i].At(left, here, right) switch
            {
                Answer.No => false,
                Answer.Unless => !IsBorder(text, at + length, i),
                Answer.Ends => EndsPiece(text, at, i),
                _ => true,
            };
            if (border) return true;
        }

        return false;
    }

    // Whether the run of a cut that starts here goes on to a border of those before it.
    private bool EndsPiece(ReadOnlySpan<char> text, int at, int cut)
    {
        do
        {
            ClassAt(text, at, out int length);
            at += length;
            if (IsBorder(text, at, cut)) return true;
        }
        while (_cuts[cut].Run[ClassAt(text, at, out _)]);
        return false;
    }

    private int ClassAt(ReadOnlySpan<char> text, int at, out int length) => 1 + _map.Of(CharSet.CodePointAt(text, at, out length));

    /// <summary>A cut by classes.</summary>
    private readonly record struct Cut(RunKind Kind, bool[] Before, bool[] Run)
    {
        /// <summary>Whether it cuts before a character inside a piece.</summary>
        public Answer At(int left, int here, int right) => Kind switch
        {
            RunKind.Single => Run[left] || Run[here] ? Answer.Yes : Answer.No,
            RunKind.Whole when Run[here] => !Run[left] && !Before[left] ? Answer.Yes : Answer.No,
            RunKind.Whole when Run[left] => Answer.Yes,
            RunKind.Whole => Before[here] && Run[right] ? Answer.Unless : Answer.No,
            _ when !Run[here] || Run[left] => Answer.No,
            _ => right == Nothing ? Answer.Yes : Answer.Ends,
        };
    }
}
