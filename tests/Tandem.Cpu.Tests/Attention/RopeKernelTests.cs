using Xunit;

namespace Tandem.Cpu.Tests.Attention;

public sealed unsafe class RopeKernelTests
{
    public static TheoryData<int, int, bool> Shapes => new()
    {
        { 64, 64, false }, { 64, 64, true }, { 80, 80, false }, { 80, 32, true }, { 20, 20, false }, { 20, 14, true }, { 20, 6, false }, { 128, 2, true }, { 16, 0, false },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Vectors_have_the_bits_of_the_scalar_twin_and_the_values_of_f64(int headDim, int rotaryDim, bool interleaved)
    {
        const int Rows = 13, Heads = 3, Positions = 50;
        int half = rotaryDim / 2, width = Heads * headDim, stride = width + 5;
        using var s = new Scratch();
        float* x = s.Random(Rows * stride, 1), y = s.Floats(Rows * stride), twin = s.Floats(headDim), cos = s.Floats(Positions * half), sin = s.Floats(Positions * half);
        int* positions = s.Ints([.. Enumerable.Range(0, Rows).Select(i => i * i % Positions)]);
        for (int i = 0; i < Positions * half; i++)
            (sin[i], cos[i]) = MathF.SinCos(i / half * MathF.Pow(100, -(float)(i % half) / half));
        foreach (bool inverse in (bool[])[false, true])
        {
            RopeKernel.Apply(x, stride, y, stride, Rows, Heads, headDim, rotaryDim, cos, sin, positions, interleaved, inverse);
            for (int t = 0; t < Rows; t++)
            {
                for (int h = 0; h < Heads; h++)
                {
                    float* head = x + (t * stride) + (h * headDim), turned = y + (t * stride) + (h * headDim);
                    new Span<float>(head, headDim).CopyTo(new Span<float>(twin, headDim));
                    RopeKernel.HeadScalar(head, twin, rotaryDim, cos + (positions[t] * half), sin + (positions[t] * half), interleaved, inverse);
                    Scratch.SameBits(twin, turned, headDim);
                    for (int i = 0; i < half; i++)
                    {
                        int first = interleaved ? 2 * i : i, second = interleaved ? (2 * i) + 1 : i + half;
                        double c = cos[(positions[t] * half) + i], n = sin[(positions[t] * half) + i] * (inverse ? -1.0 : 1.0);
                        Assert.Equal((head[first] * c) - (head[second] * n), turned[first], 1e-6);
                        Assert.Equal((head[second] * c) + (head[first] * n), turned[second], 1e-6);
                    }
                }
            }
        }

        // In place, and back again: the inverse of a turn.
        RopeKernel.Apply(x, stride, y, stride, Rows, Heads, headDim, rotaryDim, cos, sin, positions, interleaved, false);
        RopeKernel.Apply(y, stride, y, stride, Rows, Heads, headDim, rotaryDim, cos, sin, positions, interleaved, true);
        for (int i = 0; i < Rows * width; i++)
            Assert.Equal(x[(i / width * stride) + (i % width)], y[(i / width * stride) + (i % width)], 1e-5f);
    }
}
