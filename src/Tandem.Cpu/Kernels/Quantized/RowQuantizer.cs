using System.Numerics;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>
/// Rows of activations in 8-bit blocks. <see cref="DType.Q8_F"/>: f32 scale, i32 sum of the block, 32 bytes. <see cref="DType.Q8_K"/>: f32 scale, 256 bytes, i16 sums of 16.
/// scale = max |x| / 127, q = round(x * (127 / max |x|)), ties to even; a block of zeros has scale 0. A value that is not finite makes its block's scale NaN.
/// </summary>
internal static unsafe class RowQuantizer
{
    /// <summary>Elements and bytes of a block of <see cref="DType.Q8_F"/>.</summary>
    public const int SmallElements = 32, SmallBytes = 40;

    /// <summary>Elements and bytes of a block of <see cref="DType.Q8_K"/>, and where its sums are.</summary>
    public const int LargeElements = 256, LargeBytes = 292, LargeSums = 260;

    /// <summary>Quantizes <paramref name="count"/> elements, whole blocks of 32.</summary>
    public static void Small(float* x, int count, byte* blocks)
    {
        for (int i = 0; i < count; i += SmallElements, x += SmallElements, blocks += SmallBytes)
        {
            float largest = Largest(x, SmallElements), inverse = Inverse(largest);
            *(float*)blocks = largest / 127;
            *(int*)(blocks + 4) = Sixteen(x, inverse, (sbyte*)blocks + 8) + Sixteen(x + 16, inverse, (sbyte*)blocks + 24);
        }
    }

    /// <summary>Quantizes <paramref name="count"/> elements, whole blocks of 256.</summary>
    public static void Large(float* x, int count, byte* blocks)
    {
        for (int i = 0; i < count; i += LargeElements, x += LargeElements, blocks += LargeBytes)
        {
            float largest = Largest(x, LargeElements), inverse = Inverse(largest);
            *(float*)blocks = largest / 127;
            for (int j = 0; j < LargeElements; j += 16) *(short*)(blocks + LargeSums + (j / 8)) = (short)Sixteen(x + j, inverse, (sbyte*)blocks + 4 + j);
        }
    }

    private static float Inverse(float largest) => largest > 0 && float.IsFinite(127 / largest) ? 127 / largest : 0;

    private static float Largest(float* x, int count)
    {
        Vector256<float> largest = Vector256<float>.Zero;
        for (int i = 0; i < count; i += 8) largest = Vector256.Max(largest, Vector256.Abs(Vector256.Load(x + i)));
        Vector128<float> four = Vector128.Max(largest.GetLower(), largest.GetUpper());
        float result = MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
        return float.IsFinite(result) ? result : float.NaN;
    }

    // 16 elements to bytes; gives their sum.
    private static int Sixteen(float* x, float inverse, sbyte* to)
    {
        Vector256<int> low = Round(Vector256.Load(x) * inverse), high = Round(Vector256.Load(x + 8) * inverse);
        Vector256<short> narrow = Vector256.Narrow(low, high);
        Vector128.Narrow(narrow.GetLower(), narrow.GetUpper()).Store(to);
        return Vector256.Sum(low + high);
    }

    private static Vector256<int> Round(Vector256<float> x) => Vector256.ConvertToInt32Native(Vector256.Round(x, MidpointRounding.ToEven));
}
