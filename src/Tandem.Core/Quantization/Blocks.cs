using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// The plain reference of every block-quantized type, and of the plain types F32, F16 and BF16: what blocks mean, and how they are made from floats. Kernels have layouts and
/// arithmetic of their own; what they compute is measured against this.
/// </summary>
public static class Blocks
{
    // How much of an element's weight does not depend on its importance. An importance is an estimate from some text, often of zero; an error where it saw nothing still counts.
    private const float EqualShare = 0.25f;

    private const float LargestBFloat16 = 3.3895314e38f;

    private static readonly Codec?[] Codecs = Table();

    private delegate void Decoder(ReadOnlySpan<byte> blocks, Span<float> values);

    private delegate void Encoder(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> blocks);

    /// <summary>Whether this class reads and writes the type: every type of blocks that files have, and F32, F16 and BF16.</summary>
    public static bool Has(DType type) => Codecs[(int)type] != null;

    /// <summary>Whether blocks of the type are only written with an importance: with so few bits, errors must go where they cost least.</summary>
    public static bool NeedsImportance(DType type) => Find(type).NeedsImportance;

    /// <summary>The values of whole blocks.</summary>
    /// <param name="type">Their type, one that <see cref="Has"/> knows.</param>
    /// <param name="blocks">The blocks' bytes.</param>
    /// <param name="values">Where the values go: exactly as many as the blocks have.</param>
    /// <exception cref="ArgumentException">The type is another one, or the sizes do not fit each other.</exception>
    public static void Decode(DType type, ReadOnlySpan<byte> blocks, Span<float> values)
    {
        Codec codec = Find(type);
        RequireSizes(type, blocks.Length, values.Length);
        codec.Decode(blocks, values);
    }

    /// <summary>
    /// The blocks that stand for some values with a small error: the sum of its squares, each times the importance of its column where one is given. The plain 4- and 5-bit types
    /// without importance, Q8_0, Q8_1, Q8_K, Q1_0, Q2_0, TQ1_0, TQ2_0 and MXFP4 are written as their formats define it. The same values always give the same bytes.
    /// </summary>
    /// <param name="type">The type to write.</param>
    /// <param name="values">Whole blocks; with an importance, whole rows.</param>
    /// <param name="importance">For each column of a row, what the square of an error there counts: for weights, the mean square of the activation they meet. Empty if not known.</param>
    /// <param name="blocks">Where the bytes go: exactly as many as the blocks have.</param>
    /// <exception cref="ArgumentException">The type is another one, or sizes do not fit each other.</exception>
    /// <exception cref="TandemException">A value is not finite or too large for the type, an importance is not finite or negative, or the type needs an importance and there is none.</exception>
    public static void Encode(DType type, ReadOnlySpan<float> values, ReadOnlySpan<float> importance, Span<byte> blocks)
    {
        Codec codec = Find(type);
        RequireSizes(type, blocks.Length, values.Length);
        RequireValues(type, values, codec.Limit);
        if (importance.IsEmpty)
        {
            if (codec.NeedsImportance) throw new TandemException($"{type.Name()} is only written with an importance of its columns: without one its errors fall where they harm most");
            codec.Encode(values, [], blocks);
            return;
        }

        if (importance.Length % type.BlockElements() != 0 || values.Length % importance.Length != 0)
        {
            throw new ArgumentException($"{values.Length} values with an importance of {importance.Length} columns are not whole rows of whole blocks: "
                + $"a block of {type.Name()} has {type.BlockElements()}");
        }

        float[] weights = Weights(importance);
        int bytes = checked((int)type.Bytes(importance.Length));
        for (int row = 0; row < values.Length / importance.Length; row++)
            codec.Encode(values.Slice(row * importance.Length, importance.Length), weights, blocks.Slice(row * bytes, bytes));
    }

    private static Codec?[] Table()
    {
        var table = new Codec?[DTypes.All.Count()];
        table[(int)DType.F32] = new Codec((b, v) => MemoryMarshal.Cast<byte, float>(b).CopyTo(v), (v, _, b) => MemoryMarshal.AsBytes(v).CopyTo(b), float.MaxValue, false);
        table[(int)DType.F16] = new Codec(
            (b, v) => Conversions.ToSingle(MemoryMarshal.Cast<byte, Half>(b), v), (v, _, b) => Conversions.ToHalf(v, MemoryMarshal.Cast<byte, Half>(b)), 65504, false);
        table[(int)DType.BF16] = new Codec(
            (b, v) => Conversions.ToSingle(MemoryMarshal.Cast<byte, BFloat16>(b), v),
            (v, _, b) => Conversions.ToBFloat16(v, MemoryMarshal.Cast<byte, BFloat16>(b)),
            LargestBFloat16,
            false);
        Add<Q4_0Codec>(table);
        Add<Q4_1Codec>(table);
        Add<Q5_0Codec>(table);
        Add<Q5_1Codec>(table);
        Add<Q8_0Codec>(table);
        Add<Q8_1Codec>(table);
        Add<Q2_KCodec>(table);
        Add<Q3_KCodec>(table);
        Add<Q4_KCodec>(table);
        Add<Q5_KCodec>(table);
        Add<Q6_KCodec>(table);
        Add<Q8_KCodec>(table);
        Add<IQ2_XXSCodec>(table);
        Add<IQ2_XSCodec>(table);
        Add<IQ2_SCodec>(table);
        Add<IQ3_XXSCodec>(table);
        Add<IQ3_SCodec>(table);
        Add<IQ1_SCodec>(table);
        Add<IQ1_MCodec>(table);
        Add<IQ4_NLCodec>(table);
        Add<IQ4_XSCodec>(table);
        Add<TQ1_0Codec>(table);
        Add<TQ2_0Codec>(table);
        Add<MXFP4Codec>(table);
        Add<NVFP4Codec>(table);
        Add<Q1_0Codec>(table);
        Add<Q2_0Codec>(table);
        return table;
    }

    private static void Add<TCodec>(Codec?[] table)
        where TCodec : IBlockCodec => table[(int)TCodec.Type] = new Codec(DecodeAll<TCodec>, EncodeAll<TCodec>, TCodec.Limit, TCodec.NeedsImportance);

    private static void DecodeAll<TCodec>(ReadOnlySpan<byte> blocks, Span<float> values)
        where TCodec : IBlockCodec
    {
        int bytes = TCodec.Type.BlockBytes(), elements = TCodec.Type.BlockElements();
        for (int at = 0, to = 0; at < blocks.Length; at += bytes, to += elements) TCodec.Decode(blocks.Slice(at, bytes), values.Slice(to, elements));
    }

    private static void EncodeAll<TCodec>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> blocks)
        where TCodec : IBlockCodec
    {
        int bytes = TCodec.Type.BlockBytes(), elements = TCodec.Type.BlockElements();
        for (int at = 0, to = 0; at < values.Length; at += elements, to += bytes)
            TCodec.Encode(values.Slice(at, elements), weights.IsEmpty ? [] : weights.Slice(at, elements), blocks.Slice(to, bytes));
    }

    private static Codec Find(DType type) => Codecs[(int)type] ?? throw new ArgumentException($"{type.Name()} is not among the types of blocks that files have, nor f32, f16 or bf16");

    private static void RequireSizes(DType type, int bytes, int elements)
    {
        if (elements % type.BlockElements() != 0)
            throw new ArgumentException($"{elements} values are not whole blocks of {type.Name()}: a block has {type.BlockElements()}");
        if (bytes != type.Bytes(elements))
            throw new ArgumentException($"{elements} values of {type.Name()} are {type.Bytes(elements)} bytes, not {bytes}");
    }

    private static void RequireValues(DType type, ReadOnlySpan<float> values, float limit)
    {
        int i = 0;
        for (Vector256<float> most = Vector256.Create(limit); i + 8 <= values.Length; i += 8)
        {
            if (!Vector256.LessThanOrEqualAll(Vector256.Abs(Vector256.Create(values.Slice(i, 8))), most)) break;
        }

        for (; i < values.Length; i++)
        {
            if (MathF.Abs(values[i]) <= limit) continue;
            throw new TandemException(float.IsFinite(values[i])
                ? $"element {i} is {values[i]}, too large for {type.Name()}, which takes magnitudes up to {limit}"
                : $"element {i} is {values[i]}; {type.Name()} takes finite values only");
        }
    }

    private static float[] Weights(ReadOnlySpan<float> importance)
    {
        double sum = 0;
        for (int i = 0; i < importance.Length; i++)
        {
            if (!float.IsFinite(importance[i]) || importance[i] < 0) throw new TandemException($"the importance of column {i} is {importance[i]}; it must be finite and not negative");
            sum += importance[i];
        }

        var weights = new float[importance.Length];
        float scale = sum == 0 ? 0 : (float)(importance.Length / sum);
        for (int i = 0; i < weights.Length; i++) weights[i] = (importance[i] * scale) + EqualShare;
        return weights;
    }

    private sealed record Codec(Decoder Decode, Encoder Encode, float Limit, bool NeedsImportance);
}
