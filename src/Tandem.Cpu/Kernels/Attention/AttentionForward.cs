using System.Runtime.Intrinsics;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// Causal attention over key/value blocks. Rows of a tile are (token, query head of the group), so keys and values are read once a group.
/// A row's bits depend on its own keys only: tiles of 64 keys counted from position 0, online softmax from left to right,
/// spans of 1,024 keys computed by themselves and merged from left to right.
/// </summary>
internal static unsafe class AttentionForward
{
    public const int TileKeys = 64;
    public const int SpanKeys = 1024;
    public const int TileRows = 48;

    /// <summary>Tokens of a tile of rows.</summary>
    public static int TileTokens(AttentionSpec s) => Math.Max(1, TileRows / (s.NumHeads / s.NumKvHeads));

    /// <summary>Bytes of scratch for a worker.</summary>
    public static long ScratchBytes(AttentionSpec s)
    {
        int rows = TileTokens(s) * (s.NumHeads / s.NumKvHeads), dv = TensorType.PaddedTo16(s.ValueDim);
        return sizeof(float) * (long)rows * (s.HeadDim + TileKeys + (2 * dv) + 4);
    }

    /// <summary>Rows [first, first + count) of a segment for one key/value head.</summary>
    public static void Run(AttentionSpec s, in BatchView view, in Segment segment, int kvHead, int first, int count, float* q, float* blocks, float* o, float* lse, float* scratch)
    {
        int group = s.NumHeads / s.NumKvHeads, rows = count * group, dv = TensorType.PaddedTo16(s.ValueDim);
        float* qs = scratch, p = qs + ((long)rows * s.HeadDim), acc = p + ((long)rows * TileKeys), total = acc + ((long)rows * dv);
        float* m = total + ((long)rows * dv), l = m + rows, spanM = l + rows, spanL = spanM + rows;
        int* table = view.Blocks + segment.FirstBlock;
        for (int r = 0; r < rows; r++)
        {
            float* from = q + ((((long)(segment.FirstRow + first + (r / group)) * s.NumHeads) + (kvHead * group) + (r % group)) * s.HeadDim);
            System.Buffer.MemoryCopy(from, qs + ((long)r * s.HeadDim), s.HeadDim * 4, s.HeadDim * 4);
            m[r] = float.NegativeInfinity;
            l[r] = 0;
        }

        new Span<float>(total, rows * dv).Clear();
        int position = segment.FirstPosition + first, keys = position + count;
        int firstKey = s.Window > 0 ? Math.Max(0, position - s.Window + 1) : 0;
        for (int span = firstKey / SpanKeys * SpanKeys; span < keys; span += SpanKeys)
        {
            new Span<float>(acc, rows * dv).Clear();
            for (int r = 0; r < rows; r++)
            {
                spanM[r] = float.NegativeInfinity;
                spanL[r] = 0;
            }

            int start = Math.Max(span, firstKey / TileKeys * TileKeys), end = Math.Min(span + SpanKeys, keys);
            for (int tile = start; tile < end; tile += TileKeys)
            {
                int valid = Math.Min(TileKeys, keys - tile);
                Scores(s, blocks, table, kvHead, tile, valid, qs, rows, p);
                for (int r = 0; r < rows; r++) Softmax(s, p + ((long)r * TileKeys), tile, position + (r / group), spanM + r, spanL + r, acc + ((long)r * dv), dv);
                AddValues(s, blocks, table, kvHead, tile, valid, p, rows, acc, dv);
            }

            for (int r = 0; r < rows; r++) Merge(m + r, l + r, total + ((long)r * dv), spanM[r], spanL[r], acc + ((long)r * dv), dv);
        }

        for (int r = 0; r < rows; r++)
        {
            long head = ((long)(segment.FirstRow + first + (r / group)) * s.NumHeads) + (kvHead * group) + (r % group);
            float* to = o + (head * s.ValueDim);
            for (int d = 0; d < s.ValueDim; d++) to[d] = total[((long)r * dv) + d] / l[r];
            lse[head] = m[r] + VectorMath.Log(l[r]);
        }
    }

    /// <summary>p[r, j] = q_r . k_(tile+j) * scale, capped; columns beyond the valid keys hold anything.</summary>
    public static void Scores(AttentionSpec s, float* blocks, int* table, int kvHead, int tile, int valid, float* qs, int rows, float* p)
    {
        for (int j = 0; j < valid; j += 16)
        {
            float* head = KvBlocks.Head(s, blocks, table[(tile + j) / KvBlocks.Tokens], kvHead);
            float* panel = head + ((j % KvBlocks.Tokens) * s.HeadDim);
            for (int r = 0; r < rows; r += MicroKernel.Rows)
                MicroKernel.Tile(qs + ((long)r * s.HeadDim), s.HeadDim, 1, panel, s.HeadDim, p + ((long)r * TileKeys) + j, TileKeys, Math.Min(MicroKernel.Rows, rows - r), false);
        }

        int columns = (valid + 15) & ~15;
        Vector256<float> scale = Vector256.Create(s.Scale), cap = Vector256.Create(s.Softcap);
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < columns; j += 8)
            {
                float* x = p + ((long)r * TileKeys) + j;
                Vector256<float> score = Vector256.Load(x) * scale;
                if (s.Softcap > 0) score = cap * VectorMath.Tanh(score / cap);
                score.Store(x);
            }
    }

    /// <summary>First and last visible key of a row in a tile, as columns; empty if the first is after the last.</summary>
    public static (int First, int Last) Visible(AttentionSpec s, int tile, int position) =>
        (s.Window > 0 ? Math.Max(0, position - s.Window + 1 - tile) : 0, Math.Min(TileKeys - 1, position - tile));

    private static void Softmax(AttentionSpec s, float* p, int tile, int position, float* m, float* l, float* acc, int dv)
    {
        (int first, int last) = Visible(s, tile, position);
        if (first > last)
        {
            // Nothing of this tile is visible: the row stays as it is, zeros add nothing.
            new Span<float>(p, TileKeys).Clear();
            return;
        }

        for (int j = 0; j < first; j++) p[j] = float.NegativeInfinity;
        for (int j = last + 1; j < TileKeys; j++) p[j] = float.NegativeInfinity;
        float max = MathF.Max(*m, RowReduce.Max(p, TileKeys)), alpha = *m == float.NegativeInfinity ? 0 : VectorMath.Exp(*m - max);
        Vector256<float> lo = Vector256<float>.Zero, hi = lo, shift = Vector256.Create(max);
        for (int j = 0; j < TileKeys; j += 16)
        {
            Vector256<float> a = VectorMath.Exp(Vector256.Load(p + j) - shift), b = VectorMath.Exp(Vector256.Load(p + j + 8) - shift);
            a.Store(p + j);
            b.Store(p + j + 8);
            lo += a;
            hi += b;
        }

        *l = MathF.FusedMultiplyAdd(*l, alpha, RowReduce.FoldSum(lo, hi));
        *m = max;
        if (alpha == 1) return;
        Vector256<float> factor = Vector256.Create(alpha);
        for (int d = 0; d < dv; d += 8) (Vector256.Load(acc + d) * factor).Store(acc + d);
    }

    private static void AddValues(AttentionSpec s, float* blocks, int* table, int kvHead, int tile, int valid, float* p, int rows, float* acc, int dv)
    {
        for (int j = 0; j < valid; j += KvBlocks.Tokens)
        {
            float* values = KvBlocks.Head(s, blocks, table[(tile + j) / KvBlocks.Tokens], kvHead) + (KvBlocks.Tokens * s.HeadDim);
            int count = Math.Min(KvBlocks.Tokens, valid - j);
            for (int d = 0; d < dv; d += 16)
                for (int r = 0; r < rows; r += MicroKernel.Rows)
                    MicroKernel.Tile(p + ((long)r * TileKeys) + j, TileKeys, 1, values + (d * KvBlocks.Tokens), count, acc + ((long)r * dv) + d, dv, Math.Min(MicroKernel.Rows, rows - r), true);
        }
    }

    private static void Merge(float* m, float* l, float* total, float spanM, float spanL, float* acc, int dv)
    {
        if (spanM == float.NegativeInfinity) return;
        float max = MathF.Max(*m, spanM), a = *m == float.NegativeInfinity ? 0 : VectorMath.Exp(*m - max), b = VectorMath.Exp(spanM - max);
        *l = MathF.FusedMultiplyAdd(*l, a, spanL * b);
        *m = max;
        for (int d = 0; d < dv; d++) total[d] = MathF.FusedMultiplyAdd(total[d], a, acc[d] * b);
    }
}
