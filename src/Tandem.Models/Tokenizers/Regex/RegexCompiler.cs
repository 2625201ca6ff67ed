namespace Tandem.Models;

/// <summary>
/// Makes instructions of a tree, from the end to the start: each part is given where to go on. A repetition whose item can be empty ends after an empty
/// turn, as in engines that go back; its item is written twice, for before and after the first character of a turn, so that no path returns to where it
/// was without a character taken.
/// </summary>
internal sealed class RegexCompiler
{
    /// <summary>Most instructions of an expression.</summary>
    public const int MaxInstructions = 20_000;

    private const int MaxDepth = 1_000, MaxBehinds = 4;

    private readonly List<RegexInstruction> _code = [];
    private readonly List<CodePointSet> _sets;
    private readonly Dictionary<CodePointSet, int> _setNumbers;
    private readonly List<RegexNode> _behinds = [];
    private readonly string _place;
    private int _depth;

    private RegexCompiler(string place, List<CodePointSet> sets, Dictionary<CodePointSet, int> setNumbers) => (_place, _sets, _setNumbers) = (place, sets, setNumbers);

    /// <summary>The program of a tree and the sets that its instructions name.</summary>
    /// <exception cref="TandemException">It takes too many instructions.</exception>
    public static RegexProgram Compile(RegexNode node, string place, out List<CodePointSet> sets)
    {
        var numbers = new Dictionary<CodePointSet, int>();
        var compiler = new RegexCompiler(place, sets = [], numbers);
        int start = compiler.Program(node);
        if (compiler._behinds.Count > MaxBehinds) throw new TandemException($"{place}: {compiler._behinds.Count} lookbehinds, wanted at most {MaxBehinds}");
        RegexProgram? behinds = null;
        if (compiler._behinds.Count > 0)
        {
            var backwards = new RegexCompiler(place, sets, numbers);
            int[] starts = [.. compiler._behinds.Select(b => backwards.Program(b.Reversed()))];
            behinds = new RegexProgram { Code = [.. backwards._code], Starts = starts, Behinds = null };
        }

        return new RegexProgram { Code = [.. compiler._code], Starts = [start], Behinds = behinds };
    }

    private int Program(RegexNode node) => Write(node, Add(new RegexInstruction(RegexOp.Match, 0, 0, 0)), 0);

    private int Add(RegexInstruction instruction)
    {
        if (_code.Count == MaxInstructions) throw new TandemException($"{_place}: the expression takes more than {MaxInstructions} instructions, wanted smaller repetitions");
        _code.Add(instruction);
        return _code.Count - 1;
    }

    private int SetNumber(CodePointSet set)
    {
        if (_setNumbers.TryGetValue(set, out int number)) return number;
        _sets.Add(set);
        return _setNumbers[set] = _sets.Count - 1;
    }

    private int Write(RegexNode node, int next, int depth)
    {
        switch (node)
        {
            case RegexNode.Chars chars:
                return Add(new RegexInstruction(RegexOp.Char, next, SetNumber(chars.Set), depth));
            case RegexNode.Concat concat:
                for (int i = concat.Items.Count - 1; i >= 0; i--) next = Write(concat.Items[i], next, depth);
                return next;
            case RegexNode.Alternate alternate:
                int way = Write(alternate.Items[^1], next, depth);
                for (int i = alternate.Items.Count - 2; i >= 0; i--) way = Add(new RegexInstruction(RegexOp.Split, Write(alternate.Items[i], next, depth), way, depth));
                return way;
            case RegexNode.Repeat repeat:
                return WriteRepeat(repeat, next, depth);
            case RegexNode.Atomic atomic:
                int end = Add(new RegexInstruction(RegexOp.AtomicEnd, next, 0, depth + 1));
                return Add(new RegexInstruction(RegexOp.AtomicStart, Write(atomic.Item, end, depth + 1), 0, depth));
            case RegexNode.At at:
                return Add(new RegexInstruction(RegexOp.At, next, (int)at.Anchor, depth));
            case RegexNode.Look look:
                return WriteLook(look, next, depth);
            default:
                throw new InvalidOperationException($"bug: {node.GetType().Name} has no instructions");
        }
    }

    private int WriteLook(RegexNode.Look look, int next, int depth)
    {
        if (!look.Behind) return Add(new RegexInstruction(look.Negative ? RegexOp.NotAhead : RegexOp.Ahead, next, Program(look.Item), depth));
        int number = _behinds.IndexOf(look.Item);
        if (number < 0)
        {
            number = _behinds.Count;
            _behinds.Add(look.Item);
        }

        return Add(new RegexInstruction(look.Negative ? RegexOp.NotBehind : RegexOp.Behind, next, number, depth));
    }

    private int WriteRepeat(RegexNode.Repeat repeat, int next, int depth)
    {
        int at = next;
        if (repeat.Max < 0)
        {
            at = Add(default);
            int turn = repeat.Item.CanBeEmpty ? Write(repeat.Item, next, at, depth) : Write(repeat.Item, at, depth);
            _code[at] = Fork(repeat, turn, next, depth);
        }

        for (int i = repeat.Max; i > repeat.Min; i--) at = Add(Fork(repeat, Write(repeat.Item, at, depth), next, depth));
        for (int i = 0; i < repeat.Min; i++) at = Write(repeat.Item, at, depth);
        return at;
    }

    private static RegexInstruction Fork(RegexNode.Repeat repeat, int turn, int next, int depth) =>
        repeat.Lazy ? new RegexInstruction(RegexOp.Split, next, turn, depth) : new RegexInstruction(RegexOp.Split, turn, next, depth);

    // Goes on at one place if nothing was taken, at another if a character was.
    private int Write(RegexNode node, int empty, int taken, int depth)
    {
        if (empty == taken || !node.CanTake) return Write(node, empty, depth);
        if (!node.CanBeEmpty) return Write(node, taken, depth);
        if (++_depth > MaxDepth) throw new TandemException($"{_place}: more than {MaxDepth} optional parts inside a repetition");
        int start = node switch
        {
            RegexNode.Concat concat => WriteFrom(concat, 0, empty, taken, depth),
            RegexNode.Alternate alternate => WriteWays(alternate, empty, taken, depth),
            RegexNode.Repeat repeat => WriteTurns(repeat, empty, taken, depth),
            RegexNode.Atomic atomic => Add(new RegexInstruction(RegexOp.AtomicStart, Write(atomic.Item, Leave(empty), Leave(taken), depth + 1), 0, depth)),
            _ => throw new InvalidOperationException($"bug: {node.GetType().Name} is not optional"),
        };
        _depth--;
        return start;

        int Leave(int next) => Add(new RegexInstruction(RegexOp.AtomicEnd, next, 0, depth + 1));
    }

    private int WriteFrom(RegexNode.Concat concat, int item, int empty, int taken, int depth)
    {
        if (item == concat.Items.Count) return empty;
        if (++_depth > MaxDepth) throw new TandemException($"{_place}: more than {MaxDepth} optional parts inside a repetition");
        int rest = taken;
        for (int i = concat.Items.Count - 1; i > item; i--) rest = Write(concat.Items[i], rest, depth);
        int start = Write(concat.Items[item], WriteFrom(concat, item + 1, empty, taken, depth), rest, depth);
        _depth--;
        return start;
    }

    private int WriteWays(RegexNode.Alternate alternate, int empty, int taken, int depth)
    {
        int way = Write(alternate.Items[^1], empty, taken, depth);
        for (int i = alternate.Items.Count - 2; i >= 0; i--) way = Add(new RegexInstruction(RegexOp.Split, Write(alternate.Items[i], empty, taken, depth), way, depth));
        return way;
    }

    private int WriteTurns(RegexNode.Repeat repeat, int empty, int taken, int depth)
    {
        RegexNode.Repeat rest = repeat with { Min = Math.Max(0, repeat.Min - 1), Max = repeat.Max < 0 ? -1 : repeat.Max - 1 };
        int more = repeat.Max < 0 && repeat.Min == 0 ? WriteRepeat(repeat, taken, depth) : WriteRepeat(rest, taken, depth);

        // An empty turn is the last one of those without a bound.
        int after = rest.Max == 0 || (repeat.Max < 0 && repeat.Min == 0) ? empty : Write(rest, empty, taken, depth);
        int turn = Write(repeat.Item, after, more, depth);
        return repeat.Min > 0 ? turn : Add(Fork(repeat, turn, empty, depth));
    }
}
