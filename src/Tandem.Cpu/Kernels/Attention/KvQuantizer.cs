using Tandem.Graph;

namespace Tandem.Cpu;

/// <summary>
/// Quantized keys and values. 32 elements of one token's head are a group: Q8_0 is scale * q with q from -127 to 127 and scale = max |x| / 127; Q4_1 is
/// scale * u + minimum with u from 0 to 15 and scale = (max - min) / 15, of heads turned by <see cref="Hadamard"/>. Scale and minimum are f16 and rounded before the
/// elements are, to nearest, ties to even. A product reads an element as the f32 scale * q, or fma(scale, u, minimum); from there on everything is as with f32.
/// <para>
/// Keys: 2 panels of 16 keys; a panel is groups of 32 dimensions: scales [16], minima [16], then pairs of dimensions: 2 rows of 16 bytes, or one row of 16 bytes
/// whose lower halves are the first dimension. Values: groups of 32 dimensions: scales [32 tokens], minima [32 tokens], then a pair of rows of 16 dimensions a token.
/// </para>
/// </summary>
internal static unsafe class KvQuantizer
{
    /// <summary>Whether heads of a type are turned before they are rounded.</summary>
    public static bool Turns(DType type) => type == DType.Q4_1;

    /// <summary>Bytes of a panel of 16 keys.</summary>
    public static int PanelBytes(DType type, int headDim) => KvTypes.KeyBytes(type, headDim) / 2;

    /// <summary>Bytes of a whole group of 16 keys.</summary>
    public static int KeyGroupBytes(DType type) => 16 * (KvTypes.ScaleBytes(type) + KvTypes.PairBytes(type));

    /// <summary>Bytes of a group of 32 values.</summary>
    public static int ValueGroupBytes(DType type) => KvBlocks.Tokens * (KvTypes.ScaleBytes(type) + KvTypes.PairBytes(type));

    /// <summary>Rounds k[headDim] into a slot of a block.</summary>
    public static void WriteKey(DType type, int headDim, float* k, byte* keys, int slot)
    {
        float* x = stackalloc float[headDim];
        byte* codes = stackalloc byte[KvTypes.GroupElements];
        Copy(type, k, x, headDim);
        keys += slot / 16 * PanelBytes(type, headDim);
        int lane = slot % 16;
        for (int d = 0; d < headDim; d += KvTypes.GroupElements, keys += KeyGroupBytes(type))
        {
            int count = Math.Min(KvTypes.GroupElements, headDim - d);
            Group(type, x + d, count, (ushort*)keys + lane, 16, codes);
            byte* to = keys + (16 * KvTypes.ScaleBytes(type)) + lane;
            for (int e = 0; e < count; e += 2)
                Store(type, codes[e], codes[e + 1], to + (e / 2 * KvTypes.PairBytes(type)));
        }
    }

    /// <summary>Rounds v[valueDim] into a slot of a block.</summary>
    public static void WriteValue(DType type, int valueDim, float* v, byte* values, int slot)
    {
        float* x = stackalloc float[valueDim];
        byte* codes = stackalloc byte[KvTypes.GroupElements];
        Copy(type, v, x, valueDim);
        for (int d = 0; d < valueDim; d += KvTypes.GroupElements, values += ValueGroupBytes(type))
        {
            Group(type, x + d, Math.Min(KvTypes.GroupElements, valueDim - d), (ushort*)values + slot, KvBlocks.Tokens, codes);
            byte* to = values + (KvBlocks.Tokens * KvTypes.ScaleBytes(type)) + (slot * KvTypes.PairBytes(type));
            for (int e = 0; e < 16; e++)
                Store(type, codes[e], codes[e + 16], to + e);
        }
    }

    /// <summary>Element d of the key in a slot.</summary>
    public static float Key(DType type, int headDim, byte* keys, int slot, int d)
    {
        byte* group = keys + (slot / 16 * PanelBytes(type, headDim)) + (d / KvTypes.GroupElements * KeyGroupBytes(type));
        byte* pair = group + (16 * KvTypes.ScaleBytes(type)) + (d % KvTypes.GroupElements / 2 * KvTypes.PairBytes(type));
        return Element(type, (ushort*)group + (slot % 16), 16, pair + (slot % 16), d % 2);
    }

    /// <summary>Element d of the value in a slot.</summary>
    public static float Value(DType type, byte* values, int slot, int d)
    {
        byte* group = values + (d / KvTypes.GroupElements * ValueGroupBytes(type));
        byte* pair = group + (KvBlocks.Tokens * KvTypes.ScaleBytes(type)) + (slot * KvTypes.PairBytes(type));
        return Element(type, (ushort*)group + slot, KvBlocks.Tokens, pair + (d % 16), d % KvTypes.GroupElements / 16);
    }

    private static void Copy(DType type, float* from, float* to, int dim)
    {
        new Span<float>(from, dim).CopyTo(new Span<float>(to, dim));
        if (Turns(type))
            Hadamard.Turn(to, dim);
    }

    // A value that is not finite makes the whole group not finite: it is seen wherever the group is read.
    private static void Group(DType type, float* x, int count, ushort* scale, int minimumAt, byte* codes)
    {
        new Span<byte>(codes, KvTypes.GroupElements).Clear();
        float largest = x[0], smallest = x[0];
        for (int i = 1; i < count; i++)
        {
            largest = MathF.Max(largest, x[i]);
            smallest = MathF.Min(smallest, x[i]);
        }

        if (type == DType.Q8_0)
        {
            float inverse = Inverse(Rounded(MathF.Max(largest, -smallest) / 127, scale));
            for (int i = 0; i < count; i++)
                codes[i] = (byte)(sbyte)Math.Clamp(MathF.Round(x[i] * inverse), -127f, 127f);
        }
        else
        {
            float minimum = Rounded(smallest, scale + minimumAt), inverse = Inverse(Rounded((largest - minimum) / 15, scale));
            for (int i = 0; i < count; i++)
                codes[i] = (byte)Math.Clamp(MathF.Round((x[i] - minimum) * inverse), 0f, 15f);
        }
    }

    private static float Rounded(float x, ushort* to)
    {
        StoredF16.Store(x, to);
        return StoredF16.Load(to);
    }

    private static float Inverse(float scale) => scale > 0 && float.IsFinite(1 / scale) ? 1 / scale : 0;

    private static void Store(DType type, byte first, byte second, byte* to)
    {
        if (type == DType.Q8_0)
        {
            to[0] = first;
            to[16] = second;
        }
        else
        {
            *to = (byte)(first | (second << 4));
        }
    }

    private static float Element(DType type, ushort* scale, int minimumAt, byte* pair, int row) => type == DType.Q8_0
        ? StoredF16.Load(scale) * (sbyte)pair[16 * row]
        : MathF.FusedMultiplyAdd(StoredF16.Load(scale), (*pair >> (4 * row)) & 15, StoredF16.Load(scale + minimumAt));
}
