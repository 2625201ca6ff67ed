namespace Tandem.Models;

/// <summary>What an instruction does.</summary>
internal enum RegexOp : byte
{
    /// <summary>The end of the expression or of a lookaround.</summary>
    Match,

    /// <summary>Takes a character of set <c>Other</c>.</summary>
    Char,

    /// <summary>Goes on at <c>Next</c> if that leads to a match, else at <c>Other</c>.</summary>
    Split,

    /// <summary>Goes on if anchor <c>Other</c> holds.</summary>
    At,

    /// <summary>Goes on if the program at <c>Other</c> matches from here.</summary>
    Ahead,

    /// <summary>Goes on if it does not.</summary>
    NotAhead,

    /// <summary>Goes on if lookbehind <c>Other</c> matches up to here.</summary>
    Behind,

    /// <summary>Goes on if it does not.</summary>
    NotBehind,

    /// <summary>Enters an atomic group.</summary>
    AtomicStart,

    /// <summary>Leaves it.</summary>
    AtomicEnd,
}

/// <summary>An instruction.</summary>
/// <param name="Op">What it does.</param>
/// <param name="Next">Where it goes on.</param>
/// <param name="Other">By the operation.</param>
/// <param name="Depth">How many atomic groups it is in.</param>
internal readonly record struct RegexInstruction(RegexOp Op, int Next, int Other, int Depth);

/// <summary>The instructions of an expression; without taking a character none leads back to itself.</summary>
internal sealed class RegexProgram
{
    /// <summary>The instructions.</summary>
    public required RegexInstruction[] Code { get; init; }

    /// <summary>Where the expression starts; of a program of lookbehinds where each does.</summary>
    public required int[] Starts { get; init; }

    /// <summary>The lookbehinds, read backwards; null if there is none.</summary>
    public required RegexProgram? Behinds { get; init; }

    /// <summary>Whether an instruction asks for what is on the other side of the place than the text that is still to be taken.</summary>
    public bool HasAnchors => Code.Any(i => i.Op == RegexOp.At);
}
