using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// Conversions between element types over spans of equal length. Narrowing rounds to nearest, ties to even, keeps denormals and overflows to
/// infinity unless said otherwise; widening is exact. Vector and scalar paths give the same bits. Source and destination must not overlap.
/// </summary>
/// <remarks>Every method throws <see cref="ArgumentException"/> when the lengths differ.</remarks>
public static class Conversions
{
    /// <summary>binary32 to bfloat16.</summary>
    public static void ToBFloat16(ReadOnlySpan<float> source, Span<BFloat16> destination)
    {
        RequireSameLength(source.Length, destination.Length);
        var to = MemoryMarshal.Cast<BFloat16, ushort>(destination);
        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= source.Length; i += 16)
                Vector256.Narrow(NarrowBFloat16(Load(source, i)), NarrowBFloat16(Load(source, i + 8))).StoreUnsafe(ref to[i]);
        }

        for (; i < source.Length; i++)
            to[i] = BFloat16.FromSingle(source[i]).Bits;
    }

    /// <summary>bfloat16 to binary32.</summary>
    public static void ToSingle(ReadOnlySpan<BFloat16> source, Span<float> destination)
    {
        RequireSameLength(source.Length, destination.Length);
        var from = MemoryMarshal.Cast<BFloat16, ushort>(source);
        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= source.Length; i += 16)
            {
                var (low, high) = Vector256.Widen(Vector256.LoadUnsafe(in from[i]));
                (low << 16).AsSingle().StoreUnsafe(ref destination[i]);
                (high << 16).AsSingle().StoreUnsafe(ref destination[i + 8]);
            }
        }

        for (; i < source.Length; i++)
            destination[i] = source[i].ToSingle();
    }

    /// <summary>binary32 to binary16; a NaN becomes the quiet NaN of its sign.</summary>
    public static void ToHalf(ReadOnlySpan<float> source, Span<Half> destination)
    {
        RequireSameLength(source.Length, destination.Length);
        var to = MemoryMarshal.Cast<Half, ushort>(destination);
        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= source.Length; i += 16)
                Vector256.Narrow(NarrowHalf(Load(source, i)), NarrowHalf(Load(source, i + 8))).StoreUnsafe(ref to[i]);
        }

        for (; i < source.Length; i++)
            to[i] = NarrowHalf(source[i]);
    }

    /// <summary>binary16 to binary32.</summary>
    public static void ToSingle(ReadOnlySpan<Half> source, Span<float> destination)
    {
        RequireSameLength(source.Length, destination.Length);
        var from = MemoryMarshal.Cast<Half, ushort>(source);
        var i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i + 16 <= source.Length; i += 16)
            {
                var (low, high) = Vector256.Widen(Vector256.LoadUnsafe(in from[i]));
                WidenHalf(low).StoreUnsafe(ref destination[i]);
                WidenHalf(high).StoreUnsafe(ref destination[i + 8]);
            }
        }

        for (; i < source.Length; i++)
            destination[i] = WidenHalf(from[i]);
    }

    /// <summary>binary32 to 8-bit float E4M3, clamping to the largest value when <paramref name="saturate"/>, else NaN beyond it.</summary>
    public static void ToFloat8E4M3(ReadOnlySpan<float> source, Span<Float8E4M3> destination, bool saturate = true)
    {
        RequireSameLength(source.Length, destination.Length);
        for (var i = 0; i < source.Length; i++)
            destination[i] = Float8E4M3.FromSingle(source[i], saturate);
    }

    /// <summary>8-bit float E4M3 to binary32.</summary>
    public static void ToSingle(ReadOnlySpan<Float8E4M3> source, Span<float> destination)
    {
        RequireSameLength(source.Length, destination.Length);
        for (var i = 0; i < source.Length; i++)
            destination[i] = source[i].ToSingle();
    }

    /// <summary>binary32 to 8-bit float E5M2, clamping to the largest value when <paramref name="saturate"/>, else infinity beyond it.</summary>
    public static void ToFloat8E5M2(ReadOnlySpan<float> source, Span<Float8E5M2> destination, bool saturate = true)
    {
        RequireSameLength(source.Length, destination.Length);
        for (var i = 0; i < source.Length; i++)
            destination[i] = Float8E5M2.FromSingle(source[i], saturate);
    }

    /// <summary>8-bit float E5M2 to binary32.</summary>
    public static void ToSingle(ReadOnlySpan<Float8E5M2> source, Span<float> destination)
    {
        RequireSameLength(source.Length, destination.Length);
        for (var i = 0; i < source.Length; i++)
            destination[i] = source[i].ToSingle();
    }

    /// <summary>
    /// binary32 to bfloat16 with stochastic rounding: element i is rounded with the low 16 bits of word <paramref name="firstIndex"/> + i of
    /// <paramref name="stream"/>, so the result does not depend on how a tensor is cut into spans.
    /// </summary>
    public static void ToBFloat16Stochastic(ReadOnlySpan<float> source, Span<BFloat16> destination, PhiloxStream stream, ulong firstIndex = 0)
    {
        RequireSameLength(source.Length, destination.Length);
        Span<uint> random = stackalloc uint[256];
        for (var i = 0; i < source.Length; i += random.Length)
        {
            var count = Math.Min(random.Length, source.Length - i);
            stream.FillUInt32(random[..count], firstIndex + (ulong)i);
            for (var j = 0; j < count; j++)
                destination[i + j] = BFloat16.FromSingleStochastic(source[i + j], (ushort)random[j]);
        }
    }

    /// <summary>Bits of the binary16 nearest to <paramref name="value"/>; the scalar twin of the vector path.</summary>
    internal static ushort NarrowHalf(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        var sign = (bits >> 16) & 0x8000;
        var magnitude = bits & 0x7FFF_FFFF;
        uint result;
        if (magnitude > 0x7F80_0000)
            result = 0x7E00;
        else if (magnitude >= 0x477F_F000)
            result = 0x7C00;
        else if (magnitude < 0x3880_0000)
            result = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(magnitude) + 0.5f) - 0x3F00_0000;
        else
            result = (magnitude - 0x3800_0000 + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
        return (ushort)(sign | result);
    }

    /// <summary>The value of a binary16; the scalar twin of the vector path.</summary>
    internal static float WidenHalf(ushort half)
    {
        // Scaling by 2^112 moves the exponent's bias and normalises denormals, exactly.
        var value = BitConverter.UInt32BitsToSingle((uint)(half & 0x7FFF) << 13) * 5.192296858534828e33f;
        var bits = BitConverter.SingleToUInt32Bits(value);
        if ((half & 0x7C00) == 0x7C00)
            bits |= 0x7F80_0000;
        return BitConverter.UInt32BitsToSingle(bits | (uint)(half & 0x8000) << 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Load(ReadOnlySpan<float> source, int index) => Vector256.LoadUnsafe(in source[index]).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> NarrowBFloat16(Vector256<uint> bits)
    {
        var upper = bits >> 16;
        var rounded = (bits + Vector256.Create(0x7FFFu) + (upper & Vector256.Create(1u))) >> 16;
        var nan = Vector256.GreaterThan((bits & Vector256.Create(0x7FFF_FFFFu)).AsInt32(), Vector256.Create(0x7F80_0000)).AsUInt32();
        return Vector256.ConditionalSelect(nan, upper | Vector256.Create(0x40u), rounded);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> NarrowHalf(Vector256<uint> bits)
    {
        var sign = (bits >> 16) & Vector256.Create(0x8000u);
        var magnitude = bits & Vector256.Create(0x7FFF_FFFFu);
        var signed = magnitude.AsInt32();
        var result = (magnitude - Vector256.Create(0x3800_0000u) + Vector256.Create(0xFFFu) + ((magnitude >> 13) & Vector256.Create(1u))) >> 13;
        var denormal = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(0x3F00_0000u);
        result = Vector256.ConditionalSelect(Vector256.LessThan(signed, Vector256.Create(0x3880_0000)).AsUInt32(), denormal, result);
        result = Vector256.ConditionalSelect(Vector256.GreaterThanOrEqual(signed, Vector256.Create(0x477F_F000)).AsUInt32(), Vector256.Create(0x7C00u), result);
        result = Vector256.ConditionalSelect(Vector256.GreaterThan(signed, Vector256.Create(0x7F80_0000)).AsUInt32(), Vector256.Create(0x7E00u), result);
        return sign | result;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> WidenHalf(Vector256<uint> half)
    {
        var value = (((half & Vector256.Create(0x7FFFu)) << 13).AsSingle() * Vector256.Create(5.192296858534828e33f)).AsUInt32();
        var exponent = Vector256.Create(0x7C00u);
        var special = Vector256.Equals(half & exponent, exponent) & Vector256.Create(0x7F80_0000u);
        return (value | special | ((half & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }

    private static void RequireSameLength(int source, int destination)
    {
        if (source != destination)
            throw new ArgumentException($"source has {source} elements, destination {destination}; they must be equal");
    }
}
