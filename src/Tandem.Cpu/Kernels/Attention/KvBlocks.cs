using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cpu;

/// <summary>
/// Key/value blocks of 32 tokens, f32: per key/value head first the keys as 2 panels [D][16], then the values as panels [32][16] over the value dimensions.
/// So keys are the right operand of q k^T and values that of p v without repacking.
/// </summary>
internal static unsafe class KvBlocks
{
    public const int Tokens = BatchView.BlockTokens;

    public static int HeadElements(AttentionSpec s) => Tokens * (s.HeadDim + TensorType.PaddedTo16(s.ValueDim));

    /// <summary>Start of the keys of a head in a block; the values follow after Tokens * HeadDim elements.</summary>
    public static float* Head(AttentionSpec s, float* blocks, int block, int kvHead) =>
        blocks + ((long)block * s.BlockElements) + ((long)kvHead * HeadElements(s));

    /// <summary>Writes the keys and values of rows of a segment, [T, heads * dim] each, into the segment's blocks.</summary>
    public static void Write(AttentionSpec s, in BatchView view, in Segment segment, int kvHead, float* k, float* v, float* blocks)
    {
        for (int i = 0; i < segment.NumRows; i++)
        {
            int position = segment.FirstPosition + i, slot = position % Tokens;
            float* head = Head(s, blocks, view.Blocks[segment.FirstBlock + (position / Tokens)], kvHead);
            float* key = k + ((((long)(segment.FirstRow + i) * s.NumKvHeads) + kvHead) * s.HeadDim);
            float* to = head + ((slot / 16) * s.HeadDim * 16) + (slot % 16);
            for (int d = 0; d < s.HeadDim; d++) to[d * 16] = key[d];
            float* value = v + ((((long)(segment.FirstRow + i) * s.NumKvHeads) + kvHead) * s.ValueDim);
            to = head + (Tokens * s.HeadDim) + (slot * 16);
            for (int d = 0; d < s.ValueDim; d++) to[(d / 16 * Tokens * 16) + (d % 16)] = value[d];
        }
    }
}
