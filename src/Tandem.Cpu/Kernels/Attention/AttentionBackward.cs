using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// Gradients of attention for one document and one key/value head: tiles of query rows in ascending order, in each the tiles of keys in ascending order,
/// probabilities recomputed from the stored log-sum. So dq is one chain over keys, dk and dv are chains over query rows from the document's start.
/// </summary>
internal static unsafe class AttentionBackward
{
    /// <summary>Bytes of scratch for a worker.</summary>
    public static long ScratchBytes(AttentionSpec s)
    {
        int rows = AttentionForward.TileTokens(s) * (s.NumHeads / s.NumKvHeads), d = TensorType.PaddedTo16(s.HeadDim), dv = TensorType.PaddedTo16(s.ValueDim);
        return sizeof(float) * (((long)rows * ((3 * d) + (2 * dv) + (2 * AttentionForward.TileKeys) + 2)) + (AttentionForward.TileKeys * (d + dv)));
    }

    /// <summary>dq, dk, dv of one segment (which starts at position 0) and head.</summary>
    public static void Run(
        AttentionSpec s, in BatchView view, in Segment segment, int kvHead, float* q, float* blocks, float* o, float* lse, float* dO, float* dq, float* dk, float* dv, float* scratch)
    {
        int group = s.NumHeads / s.NumKvHeads, tileTokens = AttentionForward.TileTokens(s), dPad = TensorType.PaddedTo16(s.HeadDim), vPad = TensorType.PaddedTo16(s.ValueDim);
        int maxRows = tileTokens * group, n = segment.NumRows;
        int* table = view.Blocks + segment.FirstBlock;
        float* qs = scratch, qPanels = qs + ((long)maxRows * dPad), dqs = qPanels + ((long)maxRows * dPad), dos = dqs + ((long)maxRows * dPad);
        float* doPanels = dos + ((long)maxRows * vPad), p = doPanels + ((long)maxRows * vPad), dp = p + ((long)maxRows * AttentionForward.TileKeys);
        float* delta = dp + ((long)maxRows * AttentionForward.TileKeys), logSum = delta + maxRows, keyRows = logSum + maxRows, valueColumns = keyRows + (AttentionForward.TileKeys * dPad);

        for (int t = 0; t < n; t++)
        {
            long row = ((long)(segment.FirstRow + t) * s.NumKvHeads) + kvHead;
            new Span<float>(dk + (row * s.HeadDim), s.HeadDim).Clear();
            new Span<float>(dv + (row * s.ValueDim), s.ValueDim).Clear();
        }

        for (int first = 0; first < n; first += tileTokens)
        {
            int count = Math.Min(tileTokens, n - first), rows = count * group;
            for (int r = 0; r < rows; r++)
            {
                long head = ((long)(segment.FirstRow + first + (r / group)) * s.NumHeads) + (kvHead * group) + (r % group);
                System.Buffer.MemoryCopy(q + (head * s.HeadDim), qs + ((long)r * s.HeadDim), s.HeadDim * 4, s.HeadDim * 4);
                System.Buffer.MemoryCopy(dO + (head * s.ValueDim), dos + ((long)r * s.ValueDim), s.ValueDim * 4, s.ValueDim * 4);
                delta[r] = RowReduce.Dot(o + (head * s.ValueDim), dO + (head * s.ValueDim), s.ValueDim);
                logSum[r] = lse[head];
            }

            ToPanels(qs, rows, s.HeadDim, qPanels);
            ToPanels(dos, rows, s.ValueDim, doPanels);
            new Span<float>(dqs, rows * dPad).Clear();
            int keys = first + count, firstKey = s.Window > 0 ? Math.Max(0, first - s.Window + 1) / AttentionForward.TileKeys * AttentionForward.TileKeys : 0;
            for (int tile = firstKey; tile < keys; tile += AttentionForward.TileKeys)
            {
                int valid = Math.Min(AttentionForward.TileKeys, keys - tile);
                UnpackTile(s, blocks, table, kvHead, tile, valid, dPad, keyRows, valueColumns);
                AttentionForward.Scores(s, blocks, table, kvHead, tile, valid, qs, rows, p);
                for (int j = 0; j < valid; j += 16)
                    for (int r = 0; r < rows; r += MicroKernel.Rows)
                        MicroKernel.Tile(dos + ((long)r * s.ValueDim), s.ValueDim, 1, valueColumns + (j * s.ValueDim), s.ValueDim, dp + ((long)r * AttentionForward.TileKeys) + j, AttentionForward.TileKeys, Math.Min(MicroKernel.Rows, rows - r), false);
                for (int r = 0; r < rows; r++)
                    Probabilities(s, p + ((long)r * AttentionForward.TileKeys), dp + ((long)r * AttentionForward.TileKeys), tile, first + (r / group), logSum[r], delta[r], valid);

                for (int d = 0; d < dPad; d += 16)
                    for (int r = 0; r < rows; r += MicroKernel.Rows)
                        MicroKernel.Tile(dp + ((long)r * AttentionForward.TileKeys), AttentionForward.TileKeys, 1, keyRows + (d * AttentionForward.TileKeys), valid, dqs + ((long)r * dPad) + d, dPad, Math.Min(MicroKernel.Rows, rows - r), true);
                AddToKeys(p, rows, doPanels, s.ValueDim, dv + ((((long)(segment.FirstRow + tile) * s.NumKvHeads) + kvHead) * s.ValueDim), s.NumKvHeads * s.ValueDim, valid);
                AddToKeys(dp, rows, qPanels, s.HeadDim, dk + ((((long)(segment.FirstRow + tile) * s.NumKvHeads) + kvHead) * s.HeadDim), s.NumKvHeads * s.HeadDim, valid);
            }

            for (int r = 0; r < rows; r++)
            {
                long head = ((long)(segment.FirstRow + first + (r / group)) * s.NumHeads) + (kvHead * group) + (r % group);
                System.Buffer.MemoryCopy(dqs + ((long)r * dPad), dq + (head * s.HeadDim), s.HeadDim * 4, s.HeadDim * 4);
            }
        }
    }

    // c[key, :] += sum over rows of a[row, key] b[row, :], rows ascending.
    private static void AddToKeys(float* a, int rows, float* panels, int width, float* c, int ldc, int valid)
    {
        for (int d = 0; d < width; d += 16)
        {
            int columns = Math.Min(16, width - d);
            for (int j = 0; j < valid; j += MicroKernel.Rows)
            {
                int m = Math.Min(MicroKernel.Rows, valid - j);
                float* to = c + ((long)j * ldc) + d;
                if (columns == 16) MicroKernel.Tile(a + j, 1, AttentionForward.TileKeys, panels + ((long)d * rows), rows, to, ldc, m, true);
                else MicroKernel.PartialColumns(a + j, 1, AttentionForward.TileKeys, panels + ((long)d * rows), rows, to, ldc, m, columns, true);
            }
        }
    }

    // Turns scores into probabilities and dp into the gradient of the unscaled score; invisible keys become exactly zero in both.
    private static void Probabilities(AttentionSpec s, float* p, float* dp, int tile, int position, float logSum, float delta, int valid)
    {
        (int first, int last) = AttentionForward.Visible(s, tile, position);
        for (int j = 0; j < valid; j++)
        {
            if (j < first || j > last)
            {
                p[j] = dp[j] = 0;
                continue;
            }

            float score = p[j], probability = VectorMath.Exp(score - logSum);
            float slope = s.Softcap > 0 ? 1 - (score / s.Softcap * (score / s.Softcap)) : 1;
            p[j] = probability;
            dp[j] = probability * (dp[j] - delta) * slope * s.Scale;
        }
    }

    private static void ToPanels(float* x, int rows, int width, float* panels)
    {
        for (int d = 0; d < width; d += 16)
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < 16; j++)
                    panels[((long)d * rows) + (r * 16) + j] = d + j < width ? x[((long)r * width) + d + j] : 0;
    }

    // Keys as panels [64][16] over their dimensions, values as panels [Dv][16] over keys: the right operands of dq and dp.
    private static void UnpackTile(AttentionSpec s, float* blocks, int* table, int kvHead, int tile, int valid, int dPad, float* keyRows, float* valueColumns)
    {
        for (int j = 0; j < ((valid + 15) & ~15); j++)
        {
            float* head = KvBlocks.Head(s, blocks, table[(tile + j) / KvBlocks.Tokens], kvHead);
            int slot = j % KvBlocks.Tokens;
            float* key = head + (slot / 16 * s.HeadDim * 16) + (slot % 16), value = head + (KvBlocks.Tokens * s.HeadDim) + (slot * 16);
            for (int d = 0; d < dPad; d++) keyRows[(d / 16 * 16 * AttentionForward.TileKeys) + (j * 16) + (d % 16)] = d < s.HeadDim ? key[d * 16] : 0;
            for (int d = 0; d < s.ValueDim; d++) valueColumns[(j / 16 * 16 * s.ValueDim) + (d * 16) + (j % 16)] = value[(d / 16 * KvBlocks.Tokens * 16) + (d % 16)];
        }
    }
}
