namespace Tandem.Graph;

/// <summary>
/// An operation: attributes, a rule for types and a gradient in terms of other ops. A record, so that two ops with equal attributes are equal;
/// how it is computed is the business of a backend.
/// </summary>
public abstract record Op
{
    /// <summary>The name used in printed graphs and kernel keys, for example <c>rms-norm</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Checks the operands and gives the types of the results.</summary>
    /// <exception cref="GraphException">An operand does not fit.</exception>
    public abstract TensorType[] Infer(IReadOnlyList<Value> inputs);

    /// <summary>Adds the gradients of the operands, given those of the results, to <paramref name="grad"/>.</summary>
    public virtual void Gradient(Node node, GradientBuilder grad) =>
        throw new GraphException($"{Name} ({node.Name}) has no gradient");

    /// <summary>The operand whose memory result <paramref name="output"/> is written into; -1 for memory of its own.</summary>
    public virtual int InPlaceInput(int output) => -1;

    /// <summary>The operand whose memory result <paramref name="output"/> may take over when nobody reads that operand afterwards; -1 if none.</summary>
    public virtual int ReusableInput(int output) => -1;

    /// <summary>The layout an operand must lie in; null if any will do.</summary>
    public virtual Layout? WantedLayout(int input) => null;

    /// <summary>Whether each element of a result depends on the same element of the operands only.</summary>
    public virtual bool IsElementwise => false;

    /// <summary>Whether computing the results again costs about as much as reading them: not so for products and attention.</summary>
    public virtual bool IsCheapToRepeat => true;

    /// <summary>Floating-point operations of one execution; a multiply-add counts two.</summary>
    public virtual long Flops(Node node, StepSizes sizes) => 0;

    /// <summary>Name and attributes, as printed.</summary>
    public virtual string Describe() => Name;

    /// <summary>Throws unless <paramref name="condition"/> holds.</summary>
    protected void Require(bool condition, string problem)
    {
        if (!condition) throw new GraphException($"{Name}: {problem}");
    }

    /// <summary>Throws unless there are between <paramref name="min"/> and <paramref name="max"/> operands.</summary>
    protected void RequireCount(IReadOnlyList<Value> inputs, int min, int max = -1)
    {
        max = max < 0 ? min : max;
        Require(inputs.Count >= min && inputs.Count <= max, $"{inputs.Count} operands, wanted {(min == max ? $"{min}" : $"{min} to {max}")}");
    }
}

/// <summary>A graph that cannot be: an operand of the wrong shape, a missing gradient, a plan that breaks a rule.</summary>
public sealed class GraphException : TandemException
{
    /// <summary>Creates the error with its message.</summary>
    public GraphException(string message)
        : base(message)
    {
    }
}

/// <summary>Values of the varying sizes: the bounds a plan is compiled for, or the sizes of one step.</summary>
/// <param name="Tokens">T, rows of the batch.</param>
/// <param name="Sampled">Rows whose logits are wanted.</param>
/// <param name="KvBlocks">Key/value blocks of the batch's own.</param>
/// <param name="Segments">Segments of the batch.</param>
public readonly record struct StepSizes(int Tokens, int Sampled, int KvBlocks, int Segments)
{
    /// <summary>The bound for training on up to <paramref name="tokens"/> rows in up to <paramref name="segments"/> documents.</summary>
    public static StepSizes ForTraining(int tokens, int segments) =>
        new(tokens, tokens, (int)Math.Min(tokens, ((long)tokens / BatchView.BlockTokens) + segments), segments);

    /// <summary>The bound for serving; keys live in a cache, so the batch has no blocks of its own.</summary>
    public static StepSizes ForServing(int tokens, int sequences) => new(tokens, Math.Min(tokens, sequences), 0, sequences);

    /// <summary>Value of a symbol.</summary>
    public long Of(RowSymbol symbol) => symbol switch
    {
        RowSymbol.None => 1,
        RowSymbol.Tokens => Tokens,
        RowSymbol.Sampled => Sampled,
        RowSymbol.KvBlocks => KvBlocks,
        _ => throw new ArgumentOutOfRangeException(nameof(symbol), symbol, "unknown symbol"),
    };

    /// <summary>Elements of a value of this type, without padding.</summary>
    public long Elements(TensorType type) => Of(type.Rows) * type.Width;

    /// <summary>Bytes of a value of this type.</summary>
    public long Bytes(TensorType type) => Of(type.Rows) * type.RowBytes;
}
