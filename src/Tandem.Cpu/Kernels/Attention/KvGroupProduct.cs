using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// The products of attention with quantized keys and values where they lie, with 512-bit vectors: an element is widened once in a register and meets up to 6 rows of
/// queries. What is read next is fetched step by step: at once, it would hold up the loads of this block. The chains, and so the bits, are those of <see cref="PanelProduct"/> over widened blocks. Two panels at a time: one has too few chains for few rows.
/// </summary>
internal static unsafe class KvGroupProduct
{
    private const int MaxRows = 6;

    /// <summary>s[r, j] = sum over d of q[r, d] k[j, d] for the block's 32 keys, from column <paramref name="column"/> on, for register tiles that see one of them.</summary>
    public static void Scores<TGroup>(float* q, int stride, int headDim, byte* keys, int column, float* s, int rows, int* from, int* end, byte* next)
        where TGroup : struct, IKvGroup
    {
        for (int r = 0, count; r < rows; r += count)
        {
            count = Math.Min(MaxRows, rows - r);
            if (from[r] >= column + KvBlocks.Tokens || end[r + count - 1] <= column)
                continue;
            float* left = q + (r * stride), to = s + (r * AttentionShape.ScoreStride) + column;
            switch (count)
            {
                case 1: Scores<OneRows, TGroup>(left, stride, headDim, keys, next == null ? keys : next, to); break;
                case 2: Scores<TwoRows, TGroup>(left, stride, headDim, keys, next == null ? keys : next, to); break;
                case 3: Scores<ThreeRows, TGroup>(left, stride, headDim, keys, next == null ? keys : next, to); break;
                case 4: Scores<FourRows, TGroup>(left, stride, headDim, keys, next == null ? keys : next, to); break;
                case 5: Scores<FiveRows, TGroup>(left, stride, headDim, keys, next == null ? keys : next, to); break;
                default: Scores<SixRows, TGroup>(left, stride, headDim, keys, next == null ? keys : next, to); break;
            }
        }
    }

    /// <summary>acc[r, d] += sum over j in [from[r], end[r]) of p[r, j] v[j, d]; width is that of acc, a multiple of 16.</summary>
    public static void Accumulate<TGroup>(float* p, byte* first, byte* second, int width, float* acc, int rows, int* from, int* end, byte* next0, byte* next1)
        where TGroup : struct, IKvGroup
    {
        for (int r = 0, count; r < rows; r += count)
        {
            // Rows of one token see the same keys.
            count = 1;
            while (count < MaxRows && r + count < rows && from[r + count] == from[r] && end[r + count] == end[r])
                count++;
            float* left = p + (r * AttentionShape.ScoreStride), to = acc + ((long)r * width);
            if (from[r] < KvBlocks.Tokens)
                Accumulate<TGroup>(left, first, from[r], Math.Min(KvBlocks.Tokens, end[r]), width, to, count, next0);
            if (end[r] > KvBlocks.Tokens)
                Accumulate<TGroup>(left + KvBlocks.Tokens, second, Math.Max(0, from[r] - KvBlocks.Tokens), end[r] - KvBlocks.Tokens, width, to, count, next1);
        }
    }

    private static void Accumulate<TGroup>(float* p, byte* values, int from, int end, int width, float* acc, int rows, byte* next)
        where TGroup : struct, IKvGroup
    {
        float* scales = stackalloc float[2 * KvBlocks.Tokens];
        if (next == null)
            next = values;
        int groupBytes = KvBlocks.Tokens * (TGroup.ScaleBytes + TGroup.PairBytes);
        for (int d = 0; d < width; d += KvTypes.GroupElements, values += groupBytes, next += groupBytes, acc += KvTypes.GroupElements)
        {
            for (int i = 0; i < KvBlocks.Tokens * TGroup.ScaleBytes / 2; i += 16)
                StoredF16.Load16((ushort*)values + i).Store(scales + i);
            byte* codes = values + (KvBlocks.Tokens * TGroup.ScaleBytes);
            bool whole = width - d > 16;
            switch (rows)
            {
                case 1: Accumulate<OneRows, TGroup>(p, codes, next, scales, from, end, acc, width, whole); break;
                case 2: Accumulate<TwoRows, TGroup>(p, codes, next, scales, from, end, acc, width, whole); break;
                case 3: Accumulate<ThreeRows, TGroup>(p, codes, next, scales, from, end, acc, width, whole); break;
                case 4: Accumulate<FourRows, TGroup>(p, codes, next, scales, from, end, acc, width, whole); break;
                case 5: Accumulate<FiveRows, TGroup>(p, codes, next, scales, from, end, acc, width, whole); break;
                default: Accumulate<SixRows, TGroup>(p, codes, next, scales, from, end, acc, width, whole); break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores<TRows, TGroup>(float* q, nint stride, int headDim, byte* keys, byte* next, float* s)
        where TRows : struct, IRowCount
        where TGroup : struct, IKvGroup
    {
        Vector512<float> c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = Vector512<float>.Zero;
        int pairs = (headDim + 1) / 2, groups = KvTypes.Groups(headDim);
        nint panel = (groups * 16 * TGroup.ScaleBytes) + (pairs * TGroup.PairBytes);
        float* q3 = q + (3 * stride);
        for (int d = 0; d < headDim;)
        {
            Vector512<float> scale0 = StoredF16.Load16((ushort*)keys), scale1 = StoredF16.Load16((ushort*)(keys + panel)), minimum0 = default, minimum1 = default;
            if (TGroup.HasMinimum)
            {
                minimum0 = StoredF16.Load16((ushort*)keys + 16);
                minimum1 = StoredF16.Load16((ushort*)(keys + panel) + 16);
            }

            keys += 16 * TGroup.ScaleBytes;
            int last = Math.Min(headDim, d + KvTypes.GroupElements);
            while (d < last)
            {
                TGroup.Pair16(keys, out Vector512<float> first0, out Vector512<float> second0);
                TGroup.Pair16(keys + panel, out Vector512<float> first1, out Vector512<float> second1);
                keys += TGroup.PairBytes;
                if (Sse.IsSupported) Sse.Prefetch0(next);
                next += 2 * (TGroup.PairBytes + TGroup.ScaleBytes);
                Vector512<float> k0 = TGroup.Value(first0, scale0, minimum0), k1 = TGroup.Value(first1, scale1, minimum1);
                MultiplyAdd(*q, k0, k1, ref c00, ref c01);
                if (TRows.Count > 1) MultiplyAdd(q[stride], k0, k1, ref c10, ref c11);
                if (TRows.Count > 2) MultiplyAdd(q[2 * stride], k0, k1, ref c20, ref c21);
                if (TRows.Count > 3) MultiplyAdd(*q3, k0, k1, ref c30, ref c31);
                if (TRows.Count > 4) MultiplyAdd(q3[stride], k0, k1, ref c40, ref c41);
                if (TRows.Count > 5) MultiplyAdd(q3[2 * stride], k0, k1, ref c50, ref c51);
                if (++d == last)
                    break;
                k0 = TGroup.Value(second0, scale0, minimum0);
                k1 = TGroup.Value(second1, scale1, minimum1);
                MultiplyAdd(q[1], k0, k1, ref c00, ref c01);
                if (TRows.Count > 1) MultiplyAdd(q[stride + 1], k0, k1, ref c10, ref c11);
                if (TRows.Count > 2) MultiplyAdd(q[(2 * stride) + 1], k0, k1, ref c20, ref c21);
                if (TRows.Count > 3) MultiplyAdd(q3[1], k0, k1, ref c30, ref c31);
                if (TRows.Count > 4) MultiplyAdd(q3[stride + 1], k0, k1, ref c40, ref c41);
                if (TRows.Count > 5) MultiplyAdd(q3[(2 * stride) + 1], k0, k1, ref c50, ref c51);
                d++;
                q += 2;
                q3 += 2;
            }
        }

        const int To = AttentionShape.ScoreStride;
        Store(s, c00, c01);
        if (TRows.Count > 1) Store(s + To, c10, c11);
        if (TRows.Count > 2) Store(s + (2 * To), c20, c21);
        if (TRows.Count > 3) Store(s + (3 * To), c30, c31);
        if (TRows.Count > 4) Store(s + (4 * To), c40, c41);
        if (TRows.Count > 5) Store(s + (5 * To), c50, c51);
    }

    // Of a group of which only the first 16 dimensions exist the others are computed from the padding and dropped.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Accumulate<TRows, TGroup>(float* p, byte* codes, byte* next, float* scales, int from, int end, float* acc, nint width, bool whole)
        where TRows : struct, IRowCount
        where TGroup : struct, IKvGroup
    {
        const int Stride = AttentionShape.ScoreStride;
        nint second = whole ? 16 : 0;
        Vector512<float> c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = Vector512<float>.Zero;
        Load(acc, second, out c00, out c01);
        if (TRows.Count > 1) Load(acc + width, second, out c10, out c11);
        if (TRows.Count > 2) Load(acc + (2 * width), second, out c20, out c21);
        if (TRows.Count > 3) Load(acc + (3 * width), second, out c30, out c31);
        if (TRows.Count > 4) Load(acc + (4 * width), second, out c40, out c41);
        if (TRows.Count > 5) Load(acc + (5 * width), second, out c50, out c51);
        codes += from * TGroup.PairBytes;
        scales += from;
        p += from;
        for (float* last = p + (end - from); p < last; p++, scales++, codes += TGroup.PairBytes, next += TGroup.PairBytes + TGroup.ScaleBytes)
        {
            if (Sse.IsSupported) Sse.Prefetch0(next);
            Vector512<float> scale = Vector512.Create(*scales), minimum = TGroup.HasMinimum ? Vector512.Create(scales[KvBlocks.Tokens]) : default;
            TGroup.Pair16(codes, out Vector512<float> v0, out Vector512<float> v1);
            v0 = TGroup.Value(v0, scale, minimum);
            v1 = TGroup.Value(v1, scale, minimum);
            MultiplyAdd(*p, v0, v1, ref c00, ref c01);
            if (TRows.Count > 1) MultiplyAdd(p[Stride], v0, v1, ref c10, ref c11);
            if (TRows.Count > 2) MultiplyAdd(p[2 * Stride], v0, v1, ref c20, ref c21);
            if (TRows.Count > 3) MultiplyAdd(p[3 * Stride], v0, v1, ref c30, ref c31);
            if (TRows.Count > 4) MultiplyAdd(p[4 * Stride], v0, v1, ref c40, ref c41);
            if (TRows.Count > 5) MultiplyAdd(p[5 * Stride], v0, v1, ref c50, ref c51);
        }

        Store(acc, second, c00, c01);
        if (TRows.Count > 1) Store(acc + width, second, c10, c11);
        if (TRows.Count > 2) Store(acc + (2 * width), second, c20, c21);
        if (TRows.Count > 3) Store(acc + (3 * width), second, c30, c31);
        if (TRows.Count > 4) Store(acc + (4 * width), second, c40, c41);
        if (TRows.Count > 5) Store(acc + (5 * width), second, c50, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd(float a, Vector512<float> b0, Vector512<float> b1, ref Vector512<float> lo, ref Vector512<float> hi)
    {
        var x = Vector512.Create(a);
        lo = Vector512.FusedMultiplyAdd(x, b0, lo);
        hi = Vector512.FusedMultiplyAdd(x, b1, hi);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load(float* c, nint second, out Vector512<float> lo, out Vector512<float> hi)
    {
        lo = Vector512.Load(c);
        hi = Vector512.Load(c + second);
    }

    // The first half last: where there is no second one, its place is the first one's.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, nint second, Vector512<float> lo, Vector512<float> hi)
    {
        hi.Store(c + second);
        lo.Store(c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector512<float> lo, Vector512<float> hi)
    {
        lo.Store(c);
        hi.Store(c + 16);
    }
}
