namespace Tandem.Models;

/// <summary>Runs of numbers (\p{N}) of a limited length.</summary>
internal sealed class NumberPattern(string source, int max) : SplitPattern(source)
{
    /// <inheritdoc/>
    public override RunCut? RunCut => max is 1 or int.MaxValue ? new RunCut(CodePointSet.Empty, UnicodeSets.Find("N")!, max == 1 ? RunKind.Single : RunKind.Whole) : null;

    /// <inheritdoc/>
    public override int Match(ReadOnlySpan<char> text, int at) => RunEnd(text, at, max) - at;

    /// <inheritdoc/>
    public override bool MayMatch(char unit) => CharClasses.MayBe(unit, CharClass.Number);

    /// <inheritdoc/>
    protected override int NextStart(ReadOnlySpan<char> text, int at) => CharClasses.Skip(text, at, CharClass.Number);

    /// <summary>End of the run of at most <paramref name="max"/> numbers that starts at <paramref name="at"/>.</summary>
    public static int RunEnd(ReadOnlySpan<char> text, int at, int max)
    {
        for (int i = 0; i < max && at < text.Length && CharClasses.At(text, at, out int length) == CharClass.Number; i++) at += length;
        return at;
    }
}
