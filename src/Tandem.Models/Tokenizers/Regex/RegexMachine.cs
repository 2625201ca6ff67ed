using System.Runtime.CompilerServices;

namespace Tandem.Models;

/// <summary>What stands beside a place, as far as anchors ask.</summary>
internal enum Beside : byte
{
    /// <summary>Nothing: the text ends.</summary>
    Nothing,

    /// <summary>A line break.</summary>
    LineBreak,

    /// <summary>A word character.</summary>
    Word,

    /// <summary>Another character.</summary>
    Other,
}

/// <summary>Which instructions lead to a match from a place. Places where the same do share one.</summary>
internal sealed class RegexState(ulong[] alive, int transitions, int characters)
{
    /// <summary>A bit for each instruction and level.</summary>
    public ulong[] Alive => alive;

    /// <summary>The state one character on, by class and context; null is not known yet.</summary>
    public RegexState?[] Next { get; } = new RegexState?[transitions];

    /// <summary>The character instruction that is come to from each, or <see cref="RegexMachine.AtMatch"/>.</summary>
    public int[] Path { get; } = [.. Enumerable.Repeat(RegexMachine.NotKnown, characters + 1)];

    /// <summary>Whether a match starts here.</summary>
    public required bool Starts { get; init; }

    /// <summary>Which of the programs match, a bit each.</summary>
    public required int Matches { get; init; }
}

/// <summary>
/// Runs over a text against the direction of a program and finds for each place the instructions that lead to a match from there, each from those one
/// character further on. The sets that come up are kept as states of an automaton up to a bound, after which it starts anew; a set is made in time linear
/// in the program, so that any text takes linear time.
///
/// Atomic groups: an instruction inside n of them has n + 1 bits. The highest says whether the end of the innermost group can be reached, and chooses at
/// a split; each lower one says whether the path so chosen reaches the end of the group around that, the lowest whether it reaches the match.
/// </summary>
internal sealed class RegexMachine
{
    /// <summary>A path that is not known yet.</summary>
    public const int NotKnown = -2;

    /// <summary>The path ends in the match.</summary>
    public const int AtMatch = -1;

    private const int Memory = 1 << 21, BesideKinds = 4;

    private readonly RegexProgram _program;
    private readonly CharClassMap _map;
    private readonly bool _backwards;
    private readonly int[] _bits;
    private readonly int[] _order;
    private readonly int[] _characters;
    private readonly int[] _numbers;
    private readonly Beside[] _besides;
    private readonly int _maxStates;
    private readonly int _words;
    private readonly int _contexts;
    private readonly bool _hasAnchors;
    private readonly Lock _lock = new();
    private Dictionary<ulong[], RegexState> _states = new(WordsComparer.Instance);
    private RegexState?[] _ends;

    /// <summary>Makes a machine.</summary>
    /// <param name="program">The program.</param>
    /// <param name="map">Classes of its sets.</param>
    /// <param name="besides">What each class is beside a place.</param>
    /// <param name="backwards">Whether the program reads to the left, as those of lookbehinds do.</param>
    public RegexMachine(RegexProgram program, CharClassMap map, Beside[] besides, bool backwards)
    {
        (_program, _map, _besides, _backwards) = (program, map, besides, backwards);
        RegexInstruction[] code = program.Code;
        _bits = new int[code.Length];
        int bits = 0;
        for (int i = 0; i < code.Length; i++)
        {
            _bits[i] = bits;
            bits += code[i].Depth + 1;
        }

        _words = (bits + 63) / 64;
        _order = Ordered(program);
        _characters = [.. Enumerable.Range(0, code.Length).Where(i => code[i].Op == RegexOp.Char)];
        _numbers = new int[code.Length];
        for (int i = 0; i < _characters.Length; i++) _numbers[_characters[i]] = i;
        _hasAnchors = program.HasAnchors;
        _contexts = (_hasAnchors ? BesideKinds : 1) << (program.Behinds?.Starts.Length ?? 0);
        _ends = new RegexState?[_contexts];
        _maxStates = Math.Clamp(Memory / (_words + (_map.Count * _contexts) + _characters.Length), 64, 1 << 14);
    }

    /// <summary>The number that <see cref="RegexState.Path"/> has for the start.</summary>
    public int Start => _characters.Length;

    /// <summary>The context of a place.</summary>
    /// <param name="beside">What stands on the side that was not run over yet.</param>
    /// <param name="behinds">Which lookbehinds match there.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Context(Beside beside, int behinds) => _hasAnchors ? ((int)beside) + (behinds * BesideKinds) : behinds;

    /// <summary>Whether contexts depend on what stands beside.</summary>
    public bool HasAnchors => _hasAnchors;

    /// <summary>The state of the end that the run starts at.</summary>
    public RegexState End(int context) => _ends[context] ??= Make(null, 0, Beside.Nothing, context);

    /// <summary>The state one character on.</summary>
    /// <param name="state">The state on the far side of the character.</param>
    /// <param name="character">Class of the character.</param>
    /// <param name="context">Context of the place.</param>
    /// <param name="steps">Counts the work.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RegexState Step(RegexState state, int character, int context, ref long steps)
    {
        steps++;
        return state.Next[(character * _contexts) + context] ?? Unknown(state, character, context, ref steps);
    }

    /// <summary>The character that a match takes next at a place.</summary>
    /// <param name="state">The state of the place.</param>
    /// <param name="number">Number of the character it took last, or <see cref="Start"/>.</param>
    /// <returns>Its number, or <see cref="AtMatch"/> where the match ends.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Follow(RegexState state, int number)
    {
        int path = state.Path[number];
        return path != NotKnown ? path : state.Path[number] = Find(state, number);
    }

    // Instructions after all that they ask for at the same place.
    private static int[] Ordered(RegexProgram program)
    {
        RegexInstruction[] code = program.Code;
        var order = new List<int>(code.Length);
        var seen = new byte[code.Length];
        var open = new Stack<int>();
        for (int i = 0; i < code.Length; i++)
        {
            open.Push(i);
            while (open.TryPeek(out int at))
            {
                if (seen[at] != 0)
                {
                    open.Pop();
                    if (seen[at] == 1) order.Add(at);
                    seen[at] = 2;
                    continue;
                }

                seen[at] = 1;
                RegexInstruction instruction = code[at];
                if (instruction.Op is RegexOp.Match or RegexOp.Char) continue;
                if (seen[instruction.Next] == 0) open.Push(instruction.Next);
                if (instruction.Op is RegexOp.Split or RegexOp.Ahead or RegexOp.NotAhead && seen[instruction.Other] == 0) open.Push(instruction.Other);
            }
        }

        return [.. order];
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private RegexState Unknown(RegexState state, int character, int context, ref long steps)
    {
        steps += _order.Length;
        return state.Next[(character * _contexts) + context] = Make(state.Alive, character, _besides[character], context);
    }

    private RegexState Make(ulong[]? far, int character, Beside taken, int context)
    {
        ulong[] alive = Evaluate(far, character, taken, context);
        lock (_lock)
        {
            if (_states.TryGetValue(alive, out RegexState? known)) return known;
            if (_states.Count >= _maxStates)
            {
                // States that are in use stay with those who use them.
                _states = new Dictionary<ulong[], RegexState>(WordsComparer.Instance);
                _ends = new RegexState?[_contexts];
            }

            int matches = 0;
            for (int i = 0; i < _program.Starts.Length; i++)
                if (Has(alive, _bits[_program.Starts[i]])) matches |= 1 << i;
            var state = new RegexState(alive, _map.Count * _contexts, _characters.Length) { Starts = (matches & 1) != 0, Matches = matches };
            _states.Add(alive, state);
            return state;
        }
    }

    private static bool Has(ulong[] bits, int at) => (bits[at >> 6] >> at & 1) != 0;

    private ulong[] Evaluate(ulong[]? far, int character, Beside taken, int context)
    {
        var alive = new ulong[_words];
        Beside beside = _hasAnchors ? (Beside)(context % BesideKinds) : Beside.Nothing;
        int behinds = _hasAnchors ? context / BesideKinds : context;
        (Beside before, Beside after) = _backwards ? (taken, beside) : (beside, taken);
        RegexInstruction[] code = _program.Code;
        foreach (int i in _order)
        {
            RegexInstruction at = code[i];
            bool goesOn = at.Op switch
            {
                RegexOp.Match => true,
                RegexOp.Char => far != null && _map.Members[character][at.Other],
                RegexOp.At => Holds((Anchor)at.Other, before, after),
                RegexOp.Ahead => Has(alive, _bits[at.Other]),
                RegexOp.NotAhead => !Has(alive, _bits[at.Other]),
                RegexOp.Behind => (behinds >> at.Other & 1) != 0,
                RegexOp.NotBehind => (behinds >> at.Other & 1) == 0,
                _ => true,
            };
            if (!goesOn) continue;
            int next = at.Op == RegexOp.Split && !Has(alive, _bits[at.Next] + at.Depth) ? at.Other : at.Next;
            for (int level = 0; level <= at.Depth; level++)
            {
                bool reaches = at.Op == RegexOp.Match || (at.Op == RegexOp.AtomicEnd && level == at.Depth) || Has(at.Op == RegexOp.Char ? far! : alive, _bits[next] + level);
                if (reaches) alive[(_bits[i] + level) >> 6] |= 1ul << (_bits[i] + level);
            }
        }

        return alive;
    }

    private static bool Holds(Anchor anchor, Beside before, Beside after) => anchor switch
    {
        Anchor.LineStart => before == Beside.Nothing || (before == Beside.LineBreak && after != Beside.Nothing),
        Anchor.LineEnd => after is Beside.Nothing or Beside.LineBreak,
        Anchor.TextStart => before == Beside.Nothing,
        Anchor.TextEnd => after == Beside.Nothing,
        Anchor.WordBorder => before == Beside.Word != (after == Beside.Word),
        _ => before == Beside.Word == (after == Beside.Word),
    };

    // Follows the instructions that lead to a match up to the next that takes a character. Which conditions hold is in the bits already.
    private int Find(RegexState state, int number)
    {
        RegexInstruction[] code = _program.Code;
        int at = number == Start ? _program.Starts[0] : code[_characters[number]].Next;
        while (code[at].Op is not (RegexOp.Char or RegexOp.Match))
            at = code[at].Op == RegexOp.Split && !Has(state.Alive, _bits[code[at].Next] + code[at].Depth) ? code[at].Other : code[at].Next;
        return code[at].Op == RegexOp.Match ? AtMatch : _numbers[at];
    }

    private sealed class WordsComparer : IEqualityComparer<ulong[]>
    {
        public static WordsComparer Instance { get; } = new();

        public bool Equals(ulong[]? x, ulong[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(ulong[] words)
        {
            var hash = default(HashCode);
            foreach (ulong word in words) hash.Add(word);
            return hash.ToHashCode();
        }
    }
}
