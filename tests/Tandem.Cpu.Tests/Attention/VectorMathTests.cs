using System.Runtime.Intrinsics;
using Xunit;

namespace Tandem.Cpu.Tests.Attention;

public class VectorMathTests
{
    public static TheoryData<string> Functions => ["exp", "log", "tanh", "erf", "sigmoid"];

    private static float Scalar(string name, float x) => name switch
    {
        "exp" => VectorMath.Exp(x),
        "log" => VectorMath.Log(x),
        "tanh" => VectorMath.Tanh(x),
        "erf" => VectorMath.Erf(x),
        _ => VectorMath.Sigmoid(x),
    };

    private static Vector256<float> Eight(string name, Vector256<float> x) => name switch
    {
        "exp" => VectorMath.Exp(x),
        "log" => VectorMath.Log(x),
        "tanh" => VectorMath.Tanh(x),
        "erf" => VectorMath.Erf(x),
        _ => VectorMath.Sigmoid(x),
    };

    private static double Exact(string name, double x) => name switch
    {
        "exp" => Math.Exp(x),
        "log" => Math.Log(x),
        "tanh" => Math.Tanh(x),
        "erf" => ErfExact(x),
        _ => 1 / (1 + Math.Exp(-x)),
    };

    // Maclaurin series with all terms positive: erf x = 2/sqrt(pi) e^-x^2 sum 2^n x^(2n+1) / (2n+1)!!.
    private static double ErfExact(double x)
    {
        if (Math.Abs(x) > 6)
            return Math.Sign(x);

        double term = x, sum = x;
        for (var n = 1; n < 300; n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    [Theory]
    [MemberData(nameof(Functions))]
    public void ScalarAndVectorAgreeInEveryBitAndAreAccurate(string name)
    {
        var worst = 0.0;
        var worstAt = 0f;
        Span<float> lane = stackalloc float[8];
        // A prime stride over all bit patterns visits every exponent with changing mantissas.
        for (long b = 0; b < 1L << 32; b += 65537)
        {
            for (var i = 0; i < 8; i++)
                lane[i] = BitConverter.Int32BitsToSingle((int)(uint)(b + (i * 7919)));
            var eight = Eight(name, Vector256.Create<float>(lane));
            for (var i = 0; i < 8; i++)
            {
                var one = Scalar(name, lane[i]);
                if (float.IsNaN(one))
                    Assert.True(float.IsNaN(eight[i]), $"{name}({lane[i]:R})");
                else
                    Assert.Equal(BitConverter.SingleToInt32Bits(one), BitConverter.SingleToInt32Bits(eight[i]));
                var exact = Exact(name, lane[i]);
                if (double.IsNaN(exact) || double.IsInfinity((float)exact) || exact == 0)
                {
                    Assert.Equal((float)exact, one);
                    continue;
                }

                var ulp = Math.Max(Math.ScaleB(1, Math.ILogB(exact) - 23), float.Epsilon);
                var error = Math.Abs(one - exact) / ulp;
                if (error > worst)
                    (worst, worstAt) = (error, lane[i]);
            }
        }

        Assert.True(worst < 2.5, $"{name}: {worst:F2} ulp at {worstAt:R}");
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {worst:F2} ulp at {worstAt:R}");
    }

    [Fact]
    public void SpecialValues()
    {
        Assert.Equal(0f, VectorMath.Exp(float.NegativeInfinity));
        Assert.Equal(1f, VectorMath.Exp(0f));
        Assert.Equal(float.PositiveInfinity, VectorMath.Exp(float.PositiveInfinity));
        Assert.Equal(float.PositiveInfinity, VectorMath.Exp(88.73f));
        Assert.Equal(float.Epsilon, VectorMath.Exp(-103.5f));
        Assert.Equal(0f, VectorMath.Log(1f));
        Assert.Equal(float.NegativeInfinity, VectorMath.Log(-0f));
        Assert.Equal(float.NaN, VectorMath.Log(float.NegativeInfinity));
        Assert.Equal(1f, VectorMath.Tanh(float.PositiveInfinity));
        Assert.Equal(-1f, VectorMath.Tanh(float.NegativeInfinity));
        Assert.True(float.IsNegative(VectorMath.Tanh(-0f)));
        Assert.Equal(-1f, VectorMath.Erf(float.NegativeInfinity));
        Assert.Equal(0f, VectorMath.Sigmoid(float.NegativeInfinity));
        Assert.Equal(1f, VectorMath.Sigmoid(float.PositiveInfinity));
        Assert.Equal(0.5f, VectorMath.Sigmoid(0f));
    }
}
