using System.Runtime.Intrinsics;
using Xunit;

namespace Tandem.Cpu.Tests.Attention;

public class SoftmaxExpTests
{
    [Fact]
    public void ScalarAndVectorAgreeInEveryBitAndAreAccurate()
    {
        double worst = 0;
        for (float x = -130f; x < 1.5f; x += 0.00037f)
        {
            float y = SoftmaxExp.Exp2(x);
            var eight = SoftmaxExp.Exp2(Vector256.Create(x) + Vector256.Create(0f, 1f, 2f, 3f, 0f, 0f, 0f, 0f));
            for (int i = 0; i < 4; i++)
                Scratch.SameBits(SoftmaxExp.Exp2(x + i), eight[i]);
            double exact = Math.Pow(2, x);
            if (x < -126f)
                Assert.Equal(0f, y);
            else
                worst = Math.Max(worst, Math.Abs(y - exact) / Math.ScaleB(1, Math.ILogB(exact) - 23));
        }

        Assert.True(worst < 1, $"{worst:F2} ulp");
    }

    [Fact]
    public void SpecialValues()
    {
        Assert.Equal(1f, SoftmaxExp.Exp2(0f));
        Assert.Equal(2f, SoftmaxExp.Exp2(1f));
        Assert.Equal(0f, SoftmaxExp.Exp2(float.NegativeInfinity));
        Assert.Equal(0f, SoftmaxExp.Exp2(Vector256.Create(float.NegativeInfinity))[3]);
        Assert.True(float.IsNaN(SoftmaxExp.Exp2(float.NaN)));
        Assert.True(float.IsNaN(SoftmaxExp.Exp2(Vector256.Create(float.NaN))[5]));
    }
}
