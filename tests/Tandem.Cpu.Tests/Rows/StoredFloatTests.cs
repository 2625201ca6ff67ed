using Xunit;

namespace Tandem.Cpu.Tests;

public sealed unsafe class StoredFloatTests
{
    [Fact]
    public void EveryHalfWidensExactly()
    {
        ushort* eight = stackalloc ushort[8];
        float* wide = stackalloc float[8];
        for (int h = 0; h < 65536; h += 8)
        {
            for (int i = 0; i < 8; i++)
                eight[i] = (ushort)(h + i);

            System.Runtime.Intrinsics.Vector256.Store(StoredF16.Load8(eight), wide);
            for (int i = 0; i < 8; i++)
            {
                float expected = (float)BitConverter.UInt16BitsToHalf(eight[i]);
                if (float.IsNaN(expected))
                {
                    Assert.True(float.IsNaN(wide[i]) && float.IsNaN(StoredF16.Load(eight + i)));
                    continue;
                }

                Scratch.SameBits(expected, wide[i]);
                Scratch.SameBits(expected, StoredF16.Load(eight + i));
            }
        }
    }

    [Fact]
    public void NarrowingRoundsToNearestEven()
    {
        float* x = stackalloc float[8];
        ushort* f16 = stackalloc ushort[8];
        ushort* bf16 = stackalloc ushort[8];
        ushort one;
        var random = new Random(1);
        for (int round = 0; round < 200_000; round++)
        {
            for (int i = 0; i < 8; i++)
                x[i] = Sample(random, round, i);

            StoredF16.Store8(System.Runtime.Intrinsics.Vector256.Load(x), f16);
            StoredBF16.Store8(System.Runtime.Intrinsics.Vector256.Load(x), bf16);
            for (int i = 0; i < 8; i++)
            {
                StoredF16.Store(x[i], &one);
                Check(one, f16[i], x[i], BitConverter.HalfToUInt16Bits((Half)x[i]), float.IsNaN((float)BitConverter.UInt16BitsToHalf(one)));
                StoredBF16.Store(x[i], &one);
                Check(one, bf16[i], x[i], NearestBrain(x[i]), float.IsNaN(StoredBF16.Load(&one)));
            }
        }
    }

    private static void Check(ushort scalar, ushort vector, float x, ushort expected, bool isNaN)
    {
        Assert.Equal(scalar, vector);
        if (float.IsNaN(x))
            Assert.True(isNaN);
        else if (scalar != expected)
            Assert.Fail($"{x:g9}: {scalar:x4}, wanted {expected:x4}");
    }

    /// <summary>Any bits; numbers of half's range; exact ties between two halves.</summary>
    private static float Sample(Random random, int round, int i)
    {
        int bits = (int)random.NextInt64(1L << 32);
        return (round % 3) switch
        {
            0 => BitConverter.Int32BitsToSingle(bits),
            1 => BitConverter.Int32BitsToSingle((bits & unchecked((int)0x807fffff)) | ((95 + (((bits >> 23) & 31) + i) % 50) << 23)),
            _ => BitConverter.Int32BitsToSingle((bits & unchecked((int)0x807fe000)) | 0x1000 | ((95 + (((bits >> 23) & 31) + i) % 50) << 23)),
        };
    }

    /// <summary>The nearer of the two neighbours, found by comparing distances in f64; the even one on a tie.</summary>
    private static ushort NearestBrain(float x)
    {
        if (!float.IsFinite(x))
            return (ushort)(BitConverter.SingleToUInt32Bits(x) >> 16);

        uint low = BitConverter.SingleToUInt32Bits(x) >> 16;
        double below = BitConverter.UInt32BitsToSingle(low << 16);
        double step = Math.ScaleB(1, Math.Max((int)((low >> 7) & 0xff), 1) - 127 - 7);
        double distance = Math.Abs((double)x - below) / step;
        return (ushort)(distance > 0.5 || (distance == 0.5 && (low & 1) == 1) ? low + 1 : low);
    }
}
