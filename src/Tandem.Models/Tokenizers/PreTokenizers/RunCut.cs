namespace Tandem.Models;

/// <summary>What a <see cref="RunCut"/> cuts off.</summary>
internal enum RunKind
{
    /// <summary>As many characters of the set as there are.</summary>
    Whole,

    /// <summary>Each character of the set by itself.</summary>
    Single,

    /// <summary>As many as there are, where nothing but a line break follows in the piece.</summary>
    AtEnd,
}

/// <summary>
/// A part of a pre-tokenizer that puts runs of characters into pieces of their own. Whether it cuts between two characters depends on their neighbours alone
/// (<see cref="BorderTable"/>).
/// </summary>
/// <param name="Before">One character before the run that goes with it, where there is one; only with <see cref="RunKind.Whole"/>.</param>
/// <param name="Run">The characters of the run.</param>
/// <param name="Kind">What is cut off.</param>
internal sealed record RunCut(CodePointSet Before, CodePointSet Run, RunKind Kind)
{
    /// <summary>What an expression cuts, or null if that is something else.</summary>
    public static RunCut? TryRead(RegexNode expression) => expression switch
    {
        RegexNode.Chars chars => new RunCut(CodePointSet.Empty, chars.Set, RunKind.Single),
        RegexNode.Concat { Items: [RegexNode.Repeat { Item: RegexNode.Chars before, Min: 0, Max: 1, Lazy: false }, var run] } when RunOf(run) is { } set => new RunCut(before.Set, set, RunKind.Whole),
        RegexNode.Concat { Items: [var run, RegexNode.At { Anchor: Anchor.LineEnd }] } when RunOf(run) is { } set => new RunCut(CodePointSet.Empty, set, RunKind.AtEnd),
        _ => RunOf(expression) is { } set ? new RunCut(CodePointSet.Empty, set, RunKind.Whole) : null,
    };

    private static CodePointSet? RunOf(RegexNode node) => node is RegexNode.Repeat { Item: RegexNode.Chars chars, Min: 1, Max: < 0, Lazy: false } ? chars.Set : null;
}
