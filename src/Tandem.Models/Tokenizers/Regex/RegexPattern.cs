using System.Buffers;

namespace Tandem.Models;

/// <summary>
/// Any regular expression, in time linear in the text: one run from the end finds from where the expression matches and which alternatives lead there
/// (<see cref="RegexMachine"/>), a second from the start takes at each choice the first that does, which is the match that an engine that goes back would
/// find. Works in blocks; what is kept is a state for each place of a block and one for each block.
/// </summary>
internal sealed class RegexPattern : SplitPattern
{
    private const int BlockLength = 1 << 15;

    [ThreadStatic]
    private static List<Piece>? t_matches;

    private readonly CharClassMap _map;
    private readonly RegexMachine _machine;
    private readonly RegexMachine? _behinds;
    private readonly Beside[] _besides;

    /// <summary>Makes the pattern of an expression.</summary>
    /// <exception cref="TandemException">It is malformed, too large, or has what is not supported.</exception>
    public RegexPattern(string source, string place)
        : this(source, RegexParser.Parse(source, place), place)
    {
    }

    /// <summary>Makes the pattern of an expression that was read.</summary>
    /// <exception cref="TandemException">It is too large, or has what is not supported.</exception>
    public RegexPattern(string source, RegexNode expression, string place)
        : base(source)
    {
        RunCut = RunCut.TryRead(expression);
        RegexProgram program = RegexCompiler.Compile(expression, place, out List<CodePointSet> sets);
        (int lineBreak, int word) = (sets.Count, sets.Count + 1);
        bool anchors = program.HasAnchors || program.Behinds?.HasAnchors == true;
        if (anchors) sets.AddRange([CodePointSet.One('\n'), UnicodeSets.Word]);
        _map = new CharClassMap(sets);
        _besides = [.. _map.Members.Select(m => !anchors ? Beside.Other : m[lineBreak] ? Beside.LineBreak : m[word] ? Beside.Word : Beside.Other)];
        _machine = new RegexMachine(program, _map, _besides, backwards: false);
        if (program.Behinds != null) _behinds = new RegexMachine(program.Behinds, _map, _besides, backwards: true);
    }

    /// <inheritdoc/>
    public override RunCut? RunCut { get; }

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at)
    {
        var matches = new List<Piece>();
        FindAll(text, matches);
        return matches.Find(m => m.Start == at).Length;
    }

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        List<Piece> matches = t_matches ??= [];
        matches.Clear();
        Run(text.Slice(piece.Start, piece.Length), matches);
        int gap = 0;
        foreach ((int at, int length) in matches)
        {
            if (gap < at) pieces.Add(new Piece(piece.Start + gap, at - gap));
            if (length > 0) pieces.Add(new Piece(piece.Start + at, length));
            gap = at + length;
        }

        if (gap < piece.Length) pieces.Add(new Piece(piece.Start + gap, piece.Length - gap));
        if (matches.Capacity > 1 << 16) t_matches = null;
    }

    /// <inheritdoc/>
    public override void CutNext(ReadOnlySpan<char> text, scoped ref int at, List<Piece> pieces)
    {
        // A run from the end sees all of the text at once.
        Cut(text, new Piece(at, text.Length - at), pieces);
        at = text.Length;
    }

    /// <inheritdoc/>
    public override void FindAll(ReadOnlySpan<char> text, List<Piece> matches) => Run(text, matches);

    /// <summary>Finds all matches and says how many steps it took.</summary>
    public long Run(ReadOnlySpan<char> text, List<Piece> matches)
    {
        long steps = 0;
        byte[]? behinds = _behinds == null ? null : ArrayPool<byte>.Shared.Rent(text.Length + 1);
        if (behinds != null) FindBehinds(text, behinds, ref steps);
        int blocks = Math.Max(1, (text.Length + BlockLength - 1) / BlockLength);
        RegexState[] states = ArrayPool<RegexState>.Shared.Rent(Math.Min(text.Length, BlockLength) + 2);
        RegexState[] ends = blocks == 1 ? [] : new RegexState[blocks];
        RegexState state = _machine.End(_machine.Context(Before(text, text.Length), behinds?[text.Length] ?? 0));
        for (int block = blocks - 1; block > 0; block--)
        {
            ends[block] = state;
            state = RunBack(text, state, Edge(text, block), Edge(text, block + 1), behinds, [], ref steps);
        }

        var walk = new Walk { Number = _machine.Start, Start = -1, LastEnd = -1 };
        for (int block = 0; block < blocks; block++)
        {
            int from = Edge(text, block), to = Edge(text, block + 1);
            RunBack(text, block == 0 ? state : ends[block], from, to, behinds, states, ref steps);
            WalkOn(text, ref walk, from, block + 1 == blocks ? to + 1 : to, states, matches, ref steps);
        }

        ArrayPool<RegexState>.Shared.Return(states, clearArray: true);
        if (behinds != null) ArrayPool<byte>.Shared.Return(behinds);
        return steps;
    }

    // Where a block starts; never between the halves of a pair.
    private static int Edge(ReadOnlySpan<char> text, int block)
    {
        int at = Math.Min(block * BlockLength, text.Length);
        return at > 0 && at < text.Length && char.IsLowSurrogate(text[at]) && char.IsHighSurrogate(text[at - 1]) ? at - 1 : at;
    }

    private static int CodePointBefore(ReadOnlySpan<char> text, int at, out int length)
    {
        char c = text[at - 1];
        length = 1;
        if (!char.IsLowSurrogate(c) || at < 2 || !char.IsHighSurrogate(text[at - 2])) return c;
        length = 2;
        return char.ConvertToUtf32(text[at - 2], c);
    }

    private Beside Before(ReadOnlySpan<char> text, int at) => !_machine.HasAnchors || at == 0 ? Beside.Nothing : _besides[_map.Of(CodePointBefore(text, at, out _))];

    // The states of all places from one to another, from the state of the last; gives that of the first.
    private RegexState RunBack(ReadOnlySpan<char> text, RegexState state, int from, int to, byte[]? behinds, Span<RegexState> states, ref long steps)
    {
        if (!states.IsEmpty) states[to - from] = state;
        for (int at = to; at > from;)
        {
            int character = text[at - 1], length = 1;
            if (char.IsSurrogate((char)character)) character = CodePointBefore(text, at, out length);
            at -= length;
            int context = _machine.HasAnchors || behinds != null ? _machine.Context(Before(text, at), behinds?[at] ?? 0) : 0;
            state = _machine.Step(state, _map.Of(character), context, ref steps);
            if (!states.IsEmpty) states[at - from] = state;
        }

        return state;
    }

    // Which lookbehinds match up to each place.
    private void FindBehinds(ReadOnlySpan<char> text, byte[] behinds, ref long steps)
    {
        RegexState? state = null;
        for (int at = 0, character = 0; ;)
        {
            int next = at == text.Length ? 0 : CharSet.CodePointAt(text, at, out _);
            int context = _behinds!.Context(at == text.Length ? Beside.Nothing : _besides[_map.Of(next)], 0);
            state = state == null ? _behinds.End(context) : _behinds.Step(state, _map.Of(character), context, ref steps);
            behinds[at] = (byte)state.Matches;
            if (at == text.Length) return;
            character = next;
            at += next >= 0x10000 ? 2 : 1;
        }
    }

    private void WalkOn(ReadOnlySpan<char> text, ref Walk walk, int from, int to, ReadOnlySpan<RegexState> states, List<Piece> matches, ref long steps)
    {
        int at = from;
        while (at < to)
        {
            steps++;
            RegexState state = states[at - from];
            if (walk.Start < 0 && state.Starts) walk.Start = at;
            if (walk.Start >= 0)
            {
                walk.Number = _machine.Follow(state, walk.Number);
                if (walk.Number == RegexMachine.AtMatch)
                {
                    // An empty match is none where another ended; after it the search goes on behind the next character.
                    bool empty = walk.Start == at;
                    if (!empty || walk.LastEnd != at) matches.Add(new Piece(walk.Start, at - walk.Start));
                    (walk.Number, walk.Start, walk.LastEnd) = (_machine.Start, -1, at);
                    if (!empty) continue;
                }
            }

            at += at + 1 < text.Length && char.IsHighSurrogate(text[at]) && char.IsLowSurrogate(text[at + 1]) ? 2 : 1;
        }
    }

    /// <summary>Where the search is: number of the last character, start of the match or -1, end of the last match.</summary>
    private struct Walk
    {
        public int Number, Start, LastEnd;
    }
}
