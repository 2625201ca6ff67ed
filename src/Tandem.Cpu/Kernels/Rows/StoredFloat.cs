using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>A 16- or 32-bit float as it lies in memory: widening is exact, narrowing rounds to nearest, ties to even.</summary>
/// <typeparam name="T">The element in memory.</typeparam>
internal unsafe interface IStoredFloat<T>
    where T : unmanaged
{
    /// <summary>The number as f32.</summary>
    static abstract float Load(T* source);

    /// <summary>Eight numbers as f32.</summary>
    static abstract Vector256<float> Load8(T* source);

    /// <summary>Sixteen numbers as f32.</summary>
    static abstract Vector512<float> Load16(T* source);

    /// <summary>Rounds and stores one number.</summary>
    static abstract void Store(float value, T* destination);

    /// <summary>Rounds and stores eight numbers; the bits of <see cref="Store"/>.</summary>
    static abstract void Store8(Vector256<float> value, T* destination);
}

/// <summary>binary32 as it is.</summary>
internal readonly unsafe struct StoredF32 : IStoredFloat<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, float* destination) => *destination = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store8(Vector256<float> value, float* destination) => value.Store(destination);
}

/// <summary>bfloat16: the upper half of a binary32. A NaN stays a NaN.</summary>
internal readonly unsafe struct StoredBF16 : IStoredFloat<ushort>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(ushort* source) => BitConverter.UInt32BitsToSingle((uint)*source << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(ushort* source) => Vector256.ShiftLeft(Widen(source), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(ushort* source) =>
        Vector512.ShiftLeft(Vector512.WidenLower(Vector256.Load(source).ToVector512Unsafe()), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, ushort* destination)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        *destination = (ushort)(float.IsNaN(value) ? (bits >> 16) | 0x40 : rounded);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store8(Vector256<float> value, ushort* destination)
    {
        var bits = value.AsUInt32();
        var high = Vector256.ShiftRightLogical(bits, 16);
        var rounded = Vector256.ShiftRightLogical(bits + Vector256.Create(0x7fffu) + (high & Vector256<uint>.One), 16);
        var isNumber = Vector256.Equals(value, value).AsUInt32();
        Narrow(Vector256.ConditionalSelect(isNumber, rounded, high | Vector256.Create(0x40u)), destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<uint> Widen(ushort* source) => Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Narrow(Vector256<uint> value, ushort* destination) =>
        Vector128.Narrow(value.GetLower(), value.GetUpper()).Store(destination);
}

/// <summary>
/// binary16 by integer arithmetic (the runtime does not expose the processor's conversion). Beyond 65504 rounds to infinity from 65520 on; a NaN stays a NaN.
/// </summary>
internal readonly unsafe struct StoredF16 : IStoredFloat<ushort>
{
    // 2^112: moves an exponent with bias 15 to bias 127; exact for denormals too.
    private const float Rebias = 5.192296858534828e33f;

    // Numbers below 2^-14 are rounded by adding 0.5, whose last bit is a binary16's denormal step.
    private const uint MinNormalBits = 0x38800000;
    private const float DenormalMagic = 0.5f;
    private const uint OverflowBits = 0x47800000;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(ushort* source)
    {
        uint h = *source;
        uint magnitude = h & 0x7fff;
        uint bits = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(magnitude << 13) * Rebias);
        bits |= magnitude >= 0x7c00 ? 0x7f800000u : 0u;
        return BitConverter.UInt32BitsToSingle(bits | ((h & 0x8000) << 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(ushort* source)
    {
        // Sign extension puts the sign where it belongs once the exponent is in place.
        var bits = Vector256.ShiftLeft(Vector256.WidenLower(Vector128.Load((short*)source).ToVector256Unsafe()), 13) & Vector256.Create(unchecked((int)0x8fffe000));
        var exponent = Vector256.Create(0x0f800000);
        var infinite = Vector256.Equals(bits & exponent, exponent) & Vector256.Create(0x7f800000);
        return ((bits.AsSingle() * Vector256.Create(Rebias)).AsInt32() | infinite).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(ushort* source)
    {
        var bits = Vector512.ShiftLeft(Vector512.WidenLower(Vector256.Load((short*)source).ToVector512Unsafe()), 13) & Vector512.Create(unchecked((int)0x8fffe000));
        var exponent = Vector512.Create(0x0f800000);
        var infinite = Vector512.Equals(bits & exponent, exponent) & Vector512.Create(0x7f800000);
        return ((bits.AsSingle() * Vector512.Create(Rebias)).AsInt32() | infinite).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, ushort* destination)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint magnitude = bits & 0x7fffffff;
        uint normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - (112u << 23)) >> 13;
        float shifted = BitConverter.UInt32BitsToSingle(magnitude) + DenormalMagic;
        uint denormal = BitConverter.SingleToUInt32Bits(shifted) - BitConverter.SingleToUInt32Bits(DenormalMagic);
        uint h = magnitude < MinNormalBits ? denormal : magnitude < OverflowBits ? normal : 0x7c00;
        h = magnitude > 0x7f800000 ? 0x7e00 : h;
        *destination = (ushort)(h | ((bits >> 16) & 0x8000));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store8(Vector256<float> value, ushort* destination)
    {
        var bits = value.AsUInt32();
        var magnitude = bits & Vector256.Create(0x7fffffffu);
        var normal = magnitude + Vector256.Create(0xfffu) + (Vector256.ShiftRightLogical(magnitude, 13) & Vector256<uint>.One);
        normal = Vector256.ShiftRightLogical(normal - Vector256.Create(112u << 23), 13);
        var denormal = (magnitude.AsSingle() + Vector256.Create(DenormalMagic)).AsUInt32() - Vector256.Create(DenormalMagic).AsUInt32();
        var signed = magnitude.AsInt32();
        var h = Vector256.ConditionalSelect(Vector256.LessThan(signed, Vector256.Create((int)MinNormalBits)).AsUInt32(), denormal, normal);
        var infinite = Vector256.Create(0x7c00u);
        h = Vector256.ConditionalSelect(Vector256.LessThan(signed, Vector256.Create((int)OverflowBits)).AsUInt32(), h, infinite);
        h = Vector256.ConditionalSelect(Vector256.GreaterThan(signed, Vector256.Create(0x7f800000)).AsUInt32(), Vector256.Create(0x7e00u), h);
        StoredBF16.Narrow(h | (Vector256.ShiftRightLogical(bits, 16) & Vector256.Create(0x8000u)), destination);
    }
}
