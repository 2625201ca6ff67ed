using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>The numbers that a code can stand for, before scales.</summary>
internal interface ILevels
{
    /// <summary>
    /// Where the value of largest magnitude may come to lie, as a level that need not exist: beyond the outermost one it is cut off, which often pays. A search of scales tries all of these.
    /// </summary>
    static abstract ReadOnlySpan<float> Anchors { get; }

    /// <summary>The nearest levels.</summary>
    static abstract Vector256<float> Nearest(Vector256<float> values);

    /// <summary>The code of a level.</summary>
    static abstract byte Code(float level);
}

/// <summary>Integers from -4 to 3.</summary>
internal readonly struct Levels3 : ILevels
{
    public static ReadOnlySpan<float> Anchors =>
        [-5.2f, -4.9f, -4.6f, -4.4f, -4.2f, -4, -3.8f, -3.6f, -3.4f, -3.2f, -3, -2.7f, -2.4f, 4.4f, 4.1f, 3.8f, 3.5f, 3.3f, 3.1f, 2.9f, 2.7f, 2.4f];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<float> values) => Integers.Nearest(values, -4, 3);

    public static byte Code(float level) => (byte)(level + 4);
}

/// <summary>Integers from -8 to 7.</summary>
internal readonly struct Levels4 : ILevels
{
    public static ReadOnlySpan<float> Anchors =>
        [-9.4f, -9, -8.7f, -8.4f, -8.2f, -8, -7.8f, -7.6f, -7.4f, -7.2f, -7, -6.7f, 8.2f, 7.8f, 7.5f, 7.2f, 7, 6.8f, 6.5f];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<float> values) => Integers.Nearest(values, -8, 7);

    public static byte Code(float level) => (byte)(level + 8);
}

/// <summary>Integers from -16 to 15.</summary>
internal readonly struct Levels5 : ILevels
{
    public static ReadOnlySpan<float> Anchors =>
        [-17.4f, -17, -16.6f, -16.3f, -16, -15.7f, -15.4f, -15, -14.6f, 16, 15.6f, 15.3f, 15, 14.7f, 14.3f];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<float> values) => Integers.Nearest(values, -16, 15);

    public static byte Code(float level) => (byte)(level + 16);
}

/// <summary>Integers from -32 to 31.</summary>
internal readonly struct Levels6 : ILevels
{
    public static ReadOnlySpan<float> Anchors =>
        [-33, -32.6f, -32.3f, -32, -31.7f, -31.4f, -31, -30.6f, -30.2f, -29.7f, -29.2f, 32, 31.6f, 31.3f, 31, 30.7f, 30.3f, 29.9f];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<float> values) => Integers.Nearest(values, -32, 31);

    public static byte Code(float level) => (byte)(level + 32);
}

/// <summary>The sixteen levels of IQ4 types, closer together near zero.</summary>
internal readonly struct UnevenLevels : ILevels
{
    /// <summary>The levels, in order of their codes.</summary>
    public static ReadOnlySpan<sbyte> Values => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    public static ReadOnlySpan<float> Anchors =>
        [-150, -142, -136, -131, -127, -123, -119, -115, -111, -107, -103, -98, 134, 127, 121, 117, 113, 109, 105, 101, 97, 93];

    /// <summary>The levels of sixteen codes.</summary>
    public static Vector128<sbyte> Lookup(Vector128<byte> codes) => Vector128.Shuffle(Vector128.Create(Values), codes.AsSByte());

    // The sum of the steps whose middles lie below the value.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<float> values)
    {
        Vector256<float> level = Vector256.Create(-127f);
        level += Step(values, -115.5f, 23) + Step(values, -93.5f, 21) + Step(values, -74, 18) + Step(values, -57, 16);
        level += Step(values, -42, 14) + Step(values, -28.5f, 13) + Step(values, -16, 12) + Step(values, -4.5f, 11);
        level += Step(values, 7, 12) + Step(values, 19, 12) + Step(values, 31.5f, 13) + Step(values, 45.5f, 15);
        return level + (Step(values, 61, 16) + Step(values, 79, 20) + Step(values, 101, 24));
    }

    public static byte Code(float level) => (byte)Values.IndexOf((sbyte)level);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Step(Vector256<float> values, float middle, float height) =>
        Vector256.GreaterThan(values, Vector256.Create(middle)) & Vector256.Create(height);
}

/// <summary>Twice the 4-bit floats of microscaling formats.</summary>
internal readonly struct Float4Levels : ILevels
{
    public static ReadOnlySpan<float> Anchors => [];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<float> values)
    {
        Vector256<float> magnitude = Vector256.Abs(values);
        Vector256<float> level = Step(magnitude, 0.5f, 1) + Step(magnitude, 1.5f, 1) + Step(magnitude, 2.5f, 1) + Step(magnitude, 3.5f, 1);
        level += Step(magnitude, 5, 2) + Step(magnitude, 7, 2) + Step(magnitude, 10, 4);
        return Vector256.CopySign(level, values);
    }

    public static byte Code(float level) => level == 0 ? (byte)0 : (byte)Float4.Doubled.IndexOf((sbyte)level);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Step(Vector256<float> values, float middle, float height) =>
        Vector256.GreaterThan(values, Vector256.Create(middle)) & Vector256.Create(height);
}

/// <summary>Levels that are all integers of a range.</summary>
internal static class Integers
{
    /// <summary>The nearest integers of the range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<float> values, float lowest, float highest) =>
        Vector256.MinNative(Vector256.MaxNative(Vector256.Round(values), Vector256.Create(lowest)), Vector256.Create(highest));
}
