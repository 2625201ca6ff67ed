namespace Tandem.Graph.Ops;

/// <summary>The shape and the masks of an attention layer.</summary>
/// <param name="NumHeads">Query heads.</param>
/// <param name="NumKvHeads">Key/value heads; query head h reads head h / (NumHeads / NumKvHeads).</param>
/// <param name="HeadDim">Size of a query and key head.</param>
/// <param name="ValueDim">Size of a value head.</param>
/// <param name="Scale">Factor of the scores.</param>
/// <param name="Window">Sliding window: a row sees this many keys, its own included; 0 is no window.</param>
/// <param name="Softcap">c of s = c tanh(s / c); 0 is none.</param>
public sealed record AttentionSpec(int NumHeads, int NumKvHeads, int HeadDim, int ValueDim, float Scale, int Window = 0, float Softcap = 0)
{
    /// <summary>Types of keys and values in the blocks.</summary>
    public KvTypes Cache { get; init; } = DType.F32;

    /// <summary>Bytes of one key/value block: head by head the keys, then the values.</summary>
    public int BlockBytes => NumKvHeads * (KvTypes.KeyBytes(Cache.Key, HeadDim) + KvTypes.ValueBytes(Cache.Value, ValueDim));

    /// <summary>Type of a cache of so many blocks.</summary>
    public TensorType CacheOf(int blocks) => new TensorType(DType.U8, RowSymbol.None, blocks, BlockBytes).With(Layout.KvBlock);
}

/// <summary>
/// Writes the keys and values of the batch's rows into key/value blocks, rounded to the blocks' types: into a cache where one is given,
/// otherwise into blocks of the batch's own.
/// </summary>
/// <param name="Spec">The layer's shape and the types of the blocks.</param>
public sealed record KvWrite(AttentionSpec Spec) : Op
{
    /// <inheritdoc/>
    public override string Name => "kv-write";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => HasCache ? 2 : -1;

    /// <summary>Whether the third operand is a cache.</summary>
    public bool HasCache { get; init; }

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, HasCache ? 3 : 2);
        Require(inputs[0].Type.Width == (long)Spec.NumKvHeads * Spec.HeadDim, $"k {inputs[0].Type} is not {Spec.NumKvHeads} heads of {Spec.HeadDim}");
        Require(inputs[1].Type.Width == (long)Spec.NumKvHeads * Spec.ValueDim, $"v {inputs[1].Type} is not {Spec.NumKvHeads} heads of {Spec.ValueDim}");
        Require(KvTypes.IsSupported(Spec.Cache.Key) && KvTypes.IsSupported(Spec.Cache.Value), $"key/value blocks of {Spec.Cache}, wanted {KvTypes.SupportedNames}");
        if (!HasCache) return [new TensorType(DType.U8, RowSymbol.KvBlocks, Spec.BlockBytes).With(Layout.KvBlock)];
        Require(inputs[2].Type.Dims.Length == 2 && inputs[2].Type == Spec.CacheOf(inputs[2].Type.Dims[0]), $"cache {inputs[2].Type} has no blocks of {Spec.BlockBytes} bytes");
        return [inputs[2].Type];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        // The gradient that arrives is already that of k and v, not of the blocks: attention gives both as rows.
        Value dBlocks = grad.Of(node.Outputs[0])!;
        Node attention = dBlocks.Producer!;
        grad.Add(node.Inputs[0], node.Name + ".dk", attention.Outputs[1]);
        grad.Add(node.Inputs[1], node.Name + ".dv", attention.Outputs[2]);
    }

    /// <inheritdoc/>
    public override string Describe() => $"{Name} {Spec.Cache}";
}

/// <summary>
/// Causal attention of q [T, heads * HeadDim] over key/value blocks by tiles of 64 keys with an online softmax from left to right
/// (Milakov and Gimelshein, 2018; Dao et al., 2022). Gives the output and, per row and head, the logarithm of the softmax's sum.
/// An optional third operand, sinks [heads], is one logit a head that joins the sum and has no value (as in gpt-oss): neither scaled nor capped.
/// </summary>
/// <param name="Spec">The layer's shape and masks.</param>
public sealed record Attention(AttentionSpec Spec) : Op
{
    /// <inheritdoc/>
    public override string Name => "attention";

    /// <inheritdoc/>
    public override bool IsCheapToRepeat => false;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 2, 3);
        Require(Spec.NumKvHeads > 0 && Spec.NumHeads % Spec.NumKvHeads == 0, $"{Spec.NumHeads} heads are no multiple of {Spec.NumKvHeads} key/value heads");
        Require(inputs[0].Type.Width == (long)Spec.NumHeads * Spec.HeadDim, $"q {inputs[0].Type} is not {Spec.NumHeads} heads of {Spec.HeadDim}");
        Require(
            inputs[1].Type.Layout == Layout.KvBlock && inputs[1].Type.Dims[^1] == Spec.BlockBytes,
            $"{inputs[1].Type} are not key/value blocks of {Spec.BlockBytes} bytes");
        if (inputs.Count == 3)
        {
            TensorType sinks = inputs[2].Type;
            Require(sinks.DType == DType.F32 && sinks.Rows == RowSymbol.None && sinks.Width == Spec.NumHeads, $"sinks {sinks} are not f32[{Spec.NumHeads}]");
        }

        return
        [
            new TensorType(DType.F32, inputs[0].Type.Rows, Spec.NumHeads * Spec.ValueDim),
            new TensorType(DType.F32, inputs[0].Type.Rows, Spec.NumHeads),
        ];
    }

    /// <inheritdoc/>
    public override void Gradient(Node node, GradientBuilder grad)
    {
        Value q = node.Inputs[0], blocks = node.Inputs[1], o = node.Outputs[0], lse = node.Outputs[1], dO = grad.Of(o)!;
        if (node.Inputs.Count == 3)
        {
            Value sinks = node.Inputs[2];
            grad.AccumulateParameter(sinks, acc => grad.Graph.Apply(new AttentionSinkGrad(Spec), node.Name + ".dsinks", o, lse, dO, sinks, acc));
        }

        if (!grad.Needs(q) && !grad.Needs(blocks)) return;
        IReadOnlyList<Value> d = grad.Graph.ApplyAll(new AttentionGrad(Spec), node.Name + ".grad", q, blocks, o, lse, dO);
        grad.Add(q, node.Name + ".dq", d[0]);
        grad.Accumulate(blocks, soFar => soFar == null ? d[1] : throw new GraphException($"{node.Name}: key/value blocks read by two attentions have no gradient"));
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) =>
        2L * sizes.Tokens * sizes.Tokens * Spec.NumHeads * (Spec.HeadDim + Spec.ValueDim) / 2;

    /// <inheritdoc/>
    public override string Describe() =>
        $"{Name} {Spec.NumHeads}/{Spec.NumKvHeads}x{Spec.HeadDim}{(Spec.Window > 0 ? $" window={Spec.Window}" : "")}{(Spec.Softcap > 0 ? $" softcap={Spec.Softcap}" : "")}";
}

/// <summary>
/// dq, dk, dv as rows, from q, the blocks, the output, its log-sum and its gradient. Every segment starts at position 0.
/// Sinks are in the log-sum; the rounding of keys and values to the blocks' type has the gradient of the identity.
/// </summary>
/// <param name="Spec">The layer's shape and masks.</param>
public sealed record AttentionGrad(AttentionSpec Spec) : Op
{
    /// <inheritdoc/>
    public override string Name => "attention-grad";

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 5);
        Require(!Spec.Cache.Key.IsBlock() && !Spec.Cache.Value.IsBlock(), $"key/value blocks of {Spec.Cache} have no gradient, wanted f32, f16 or bf16");
        RowSymbol rows = inputs[0].Type.Rows;
        return
        [
            inputs[0].Type,
            new TensorType(DType.F32, rows, Spec.NumKvHeads * Spec.HeadDim),
            new TensorType(DType.F32, rows, Spec.NumKvHeads * Spec.ValueDim),
        ];
    }

    /// <inheritdoc/>
    public override long Flops(Node node, StepSizes sizes) =>
        4L * sizes.Tokens * sizes.Tokens * Spec.NumHeads * (Spec.HeadDim + Spec.ValueDim) / 2;
}

/// <summary>
/// Gradient of an attention's sinks from the output, its log-sum, its gradient and the sinks, continuing the accumulator (fifth operand):
/// per head one chain over the batch's rows in ascending order, dsink -= exp(sink - lse) (sum of o times do over the head).
/// </summary>
/// <param name="Spec">The layer's shape.</param>
public sealed record AttentionSinkGrad(AttentionSpec Spec) : Op
{
    /// <inheritdoc/>
    public override string Name => "attention-dsinks";

    /// <inheritdoc/>
    public override int InPlaceInput(int output) => 4;

    /// <inheritdoc/>
    public override TensorType[] Infer(IReadOnlyList<Value> inputs)
    {
        RequireCount(inputs, 5);
        return [inputs[4].Type];
    }
}
