using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>How elements of a quantized group are read; a constant of generated code. The memory is that of <see cref="KvQuantizer"/>.</summary>
internal unsafe interface IKvGroup
{
    /// <summary>Whether a minimum is added.</summary>
    static abstract bool HasMinimum { get; }

    /// <summary>Bytes of a group's scale and minimum.</summary>
    static abstract int ScaleBytes { get; }

    /// <summary>Bytes of a pair of rows of 16.</summary>
    static abstract int PairBytes { get; }

    /// <summary>The codes of 8 elements of both rows of a pair.</summary>
    static abstract void Pair8(byte* pair, out Vector256<float> first, out Vector256<float> second);

    /// <summary>The codes of both rows of a pair.</summary>
    static abstract void Pair16(byte* pair, out Vector512<float> first, out Vector512<float> second);

    /// <summary>The elements of codes.</summary>
    static abstract Vector256<float> Value(Vector256<float> code, Vector256<float> scale, Vector256<float> minimum);

    /// <inheritdoc cref="Value(Vector256{float}, Vector256{float}, Vector256{float})"/>
    static abstract Vector512<float> Value(Vector512<float> code, Vector512<float> scale, Vector512<float> minimum);
}

/// <summary>8 bits: scale * q.</summary>
internal readonly unsafe struct KvGroupQ8 : IKvGroup
{
    public static bool HasMinimum => false;

    public static int ScaleBytes => 2;

    public static int PairBytes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pair8(byte* pair, out Vector256<float> first, out Vector256<float> second)
    {
        first = Eight((sbyte*)pair);
        second = Eight((sbyte*)pair + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pair16(byte* pair, out Vector512<float> first, out Vector512<float> second)
    {
        first = Sixteen((sbyte*)pair);
        second = Sixteen((sbyte*)pair + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> code, Vector256<float> scale, Vector256<float> minimum) => code * scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Value(Vector512<float> code, Vector512<float> scale, Vector512<float> minimum) => code * scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Eight(sbyte* codes)
    {
        Vector128<short> words = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)codes).AsSByte());
        return Vector256.ConvertToSingle(Vector256.WidenLower(words.ToVector256Unsafe()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sixteen(sbyte* codes) => Vector512.ConvertToSingle(KvGroups.Widen(Vector128.Load(codes)));
}

/// <summary>4 bits: fma(scale, u, minimum).</summary>
internal readonly unsafe struct KvGroupQ4 : IKvGroup
{
    public static bool HasMinimum => true;

    public static int ScaleBytes => 4;

    public static int PairBytes => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pair8(byte* pair, out Vector256<float> first, out Vector256<float> second)
    {
        Vector128<ushort> words = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)pair).AsByte());
        Vector256<int> codes = Vector256.WidenLower(words.ToVector256Unsafe()).AsInt32();
        first = Vector256.ConvertToSingle(codes & Vector256.Create(15));
        second = Vector256.ConvertToSingle(Vector256.ShiftRightLogical(codes, 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pair16(byte* pair, out Vector512<float> first, out Vector512<float> second)
    {
        Vector512<int> codes = KvGroups.Widen(Vector128.Load(pair));
        first = Vector512.ConvertToSingle(codes & Vector512.Create(15));
        second = Vector512.ConvertToSingle(Vector512.ShiftRightLogical(codes, 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<float> code, Vector256<float> scale, Vector256<float> minimum) =>
        Vector256.FusedMultiplyAdd(scale, code, minimum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Value(Vector512<float> code, Vector512<float> scale, Vector512<float> minimum) =>
        Vector512.FusedMultiplyAdd(scale, code, minimum);
}

/// <summary>Widening of 16 bytes in one instruction where there are 512-bit vectors.</summary>
internal static class KvGroups
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Widen(Vector128<sbyte> x) => System.Runtime.Intrinsics.X86.Avx512F.IsSupported
        ? System.Runtime.Intrinsics.X86.Avx512F.ConvertToVector512Int32(x)
        : Vector512.WidenLower(Vector256.WidenLower(x.ToVector256Unsafe()).ToVector512Unsafe());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Widen(Vector128<byte> x) => System.Runtime.Intrinsics.X86.Avx512F.IsSupported
        ? System.Runtime.Intrinsics.X86.Avx512F.ConvertToVector512Int32(x)
        : Vector512.WidenLower(Vector256.WidenLower(x.ToVector256Unsafe()).ToVector512Unsafe()).AsInt32();
}
