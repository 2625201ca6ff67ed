namespace Tandem.Models;

/// <summary>Conditions on a place between two characters.</summary>
internal enum Anchor
{
    /// <summary>^: the start, or behind a line break that is not the last character.</summary>
    LineStart,

    /// <summary>$: the end, or before a line break.</summary>
    LineEnd,

    /// <summary>\A.</summary>
    TextStart,

    /// <summary>\z.</summary>
    TextEnd,

    /// <summary>\b: a word character on one side only.</summary>
    WordBorder,

    /// <summary>\B.</summary>
    NoWordBorder,
}

/// <summary>A regular expression as a tree.</summary>
internal abstract record RegexNode
{
    /// <summary>What matches nothing and always.</summary>
    public static RegexNode Nothing { get; } = new Concat([]);

    /// <summary>Whether it can match without taking a character.</summary>
    public abstract bool CanBeEmpty { get; }

    /// <summary>Whether it can take a character.</summary>
    public abstract bool CanTake { get; }

    /// <summary>The same read from the right to the left.</summary>
    public abstract RegexNode Reversed();

    /// <summary>One character of a set.</summary>
    internal sealed record Chars(CodePointSet Set) : RegexNode
    {
        public override bool CanBeEmpty => false;

        public override bool CanTake => true;

        public override RegexNode Reversed() => this;
    }

    /// <summary>One after another.</summary>
    internal sealed record Concat(IReadOnlyList<RegexNode> Items) : RegexNode
    {
        public override bool CanBeEmpty { get; } = Items.All(i => i.CanBeEmpty);

        public override bool CanTake { get; } = Items.Any(i => i.CanTake);

        public override RegexNode Reversed() => new Concat([.. Items.Reverse().Select(i => i.Reversed())]);
    }

    /// <summary>The first that leads to a match.</summary>
    internal sealed record Alternate(IReadOnlyList<RegexNode> Items) : RegexNode
    {
        public override bool CanBeEmpty { get; } = Items.Any(i => i.CanBeEmpty);

        public override bool CanTake { get; } = Items.Any(i => i.CanTake);

        public override RegexNode Reversed() => new Alternate([.. Items.Select(i => i.Reversed())]);
    }

    /// <summary>A number of times, as many as possible or, lazy, as few. <paramref name="Max"/> is -1 without a bound.</summary>
    internal sealed record Repeat(RegexNode Item, int Min, int Max, bool Lazy) : RegexNode
    {
        public override bool CanBeEmpty { get; } = Min == 0 || Item.CanBeEmpty;

        public override bool CanTake { get; } = Max != 0 && Item.CanTake;

        public override RegexNode Reversed() => this with { Item = Item.Reversed() };
    }

    /// <summary>What matched first is kept, whatever follows.</summary>
    internal sealed record Atomic(RegexNode Item) : RegexNode
    {
        public override bool CanBeEmpty { get; } = Item.CanBeEmpty;

        public override bool CanTake { get; } = Item.CanTake;

        public override RegexNode Reversed() => throw new InvalidOperationException("bug: the parser refuses atomic groups that are read backwards");
    }

    /// <summary>A condition on the place.</summary>
    internal sealed record At(Anchor Anchor) : RegexNode
    {
        public override bool CanBeEmpty => true;

        public override bool CanTake => false;

        public override RegexNode Reversed() => this;
    }

    /// <summary>Whether the text ahead, or behind up to here, matches or does not.</summary>
    internal sealed record Look(RegexNode Item, bool Behind, bool Negative) : RegexNode
    {
        public override bool CanBeEmpty => true;

        public override bool CanTake => false;

        public override RegexNode Reversed() => throw new InvalidOperationException("bug: the parser refuses lookaround inside a lookbehind");
    }
}
