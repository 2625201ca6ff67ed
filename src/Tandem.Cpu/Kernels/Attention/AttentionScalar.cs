using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>Scalar twin of <see cref="AttentionForward"/>: one row and one query head by plain loops, the same bits.</summary>
internal static unsafe class AttentionScalar
{
    /// <summary>Computes row <paramref name="token"/> of a segment for one query head into o[Dv]; returns the logarithm of the softmax's sum.</summary>
    public static float Row(in AttentionForwardArgs args, int segmentIndex, int token, int head, float* o)
    {
        var shape = args.Shape;
        var segment = args.View.Segments[segmentIndex];
        int position = segment.FirstPosition + token, first = shape.FirstKey(position);
        int end = position + 1, valueDim = shape.ValueDim;
        float totalM = float.NegativeInfinity, totalL = 0f;
        float[] total = new float[valueDim], acc = new float[valueDim];
        float* q = stackalloc float[shape.HeadDim];
        new Span<float>(args.Q + ((segment.FirstRow + token) * args.QStride) + ((long)head * shape.HeadDim), shape.HeadDim).CopyTo(new Span<float>(q, shape.HeadDim));
        if (KvQuantizer.Turns(shape.Cache.Key))
            Hadamard.TurnScalar(q, shape.HeadDim);
        for (int span = first / AttentionShape.SpanKeys * AttentionShape.SpanKeys; span < end; span += AttentionShape.SpanKeys)
        {
            float m = float.NegativeInfinity, l = 0f;
            Array.Clear(acc);
            for (int key = span; key < Math.Min(end, span + AttentionShape.SpanKeys); key += AttentionShape.TileKeys)
                Tile(args, segment, q, head, Math.Max(first, key), Math.Min(end, key + AttentionShape.TileKeys), ref m, ref l, acc);

            if (l == 0f)
                continue;
            float max = m > totalM ? m : totalM, a = SoftmaxExp.Exp2(totalM - max), b = SoftmaxExp.Exp2(m - max);
            totalM = max;
            totalL = MathF.FusedMultiplyAdd(totalL, a, l * b);
            for (int d = 0; d < valueDim; d++)
                total[d] = MathF.FusedMultiplyAdd(total[d], a, acc[d] * b);
        }

        if (args.Sinks != null)
        {
            float sink = args.Sinks[head] * SoftmaxExp.Log2E, max = sink > totalM ? sink : totalM, alpha = SoftmaxExp.Exp2(totalM - max);
            totalL = MathF.FusedMultiplyAdd(totalL, alpha, SoftmaxExp.Exp2(sink - max));
            totalM = max;
            for (int d = 0; d < valueDim; d++)
                total[d] *= alpha;
        }

        for (int d = 0; d < valueDim; d++)
            o[d] = total[d] / totalL;
        if (KvQuantizer.Turns(shape.Cache.Value))
            Hadamard.TurnScalar(o, valueDim);
        return MathF.FusedMultiplyAdd(totalM, SoftmaxExp.Ln2, VectorMath.Log(totalL));
    }

    private static void Tile(in AttentionForwardArgs args, in Segment segment, float* q, int head, int first, int end, ref float m, ref float l, float[] acc)
    {
        if (first >= end)
            return;
        var shape = args.Shape;
        int kvHead = head / shape.Group, tile = first / AttentionShape.TileKeys * AttentionShape.TileKeys;
        float* p = stackalloc float[AttentionShape.TileKeys];
        float max = m;
        for (int j = first; j < end; j++)
        {
            byte* keys = KvBlocks.Head(shape, args.Cache, args.View.Blocks[segment.FirstBlock + (j / KvBlocks.Tokens)], kvHead);
            float dot = 0f;
            for (int d = 0; d < shape.HeadDim; d++)
                dot = MathF.FusedMultiplyAdd(q[d], KvBlocks.Key(shape, keys, j % KvBlocks.Tokens, d), dot);
            float score = shape.Softcap > 0
                ? shape.Softcap * SoftmaxExp.Log2E * VectorMath.Tanh(dot * (shape.Scale / shape.Softcap))
                : dot * (shape.Scale * SoftmaxExp.Log2E);
            p[j - tile] = score;
            max = score > max ? score : max;
        }

        float alpha = SoftmaxExp.Exp2(m - max);
        float* lanes = stackalloc float[RowReduce.Lanes];
        RowReduce.Fill(lanes, 0f);
        for (int j = first - tile; j < end - tile; j++)
        {
            p[j] = SoftmaxExp.Exp2(p[j] - max);
            lanes[j & 15] += p[j];
        }

        m = max;
        l = MathF.FusedMultiplyAdd(l, alpha, RowReduce.FoldSumScalar(lanes));
        for (int d = 0; d < acc.Length; d++)
        {
            float sum = acc[d] * alpha;
            for (int j = first; j < end; j++)
            {
                byte* keys = KvBlocks.Head(shape, args.Cache, args.View.Blocks[segment.FirstBlock + (j / KvBlocks.Tokens)], kvHead);
                sum = MathF.FusedMultiplyAdd(p[j - tile], KvBlocks.Value(shape, keys, j % KvBlocks.Tokens, d), sum);
            }

            acc[d] = sum;
        }
    }
}
