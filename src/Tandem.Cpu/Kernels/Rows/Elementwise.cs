using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem.Cpu;

/// <summary>A function of one number, for one and for eight; both give the same bits.</summary>
internal interface IMap1
{
    /// <summary>The function of one number.</summary>
    float Apply(float a);

    /// <summary>The function of eight numbers.</summary>
    Vector256<float> Apply(Vector256<float> a);
}

/// <summary>A function of two numbers, for one and for eight; both give the same bits.</summary>
internal interface IMap2
{
    /// <summary>The function of one pair.</summary>
    float Apply(float a, float b);

    /// <summary>The function of eight pairs.</summary>
    Vector256<float> Apply(Vector256<float> a, Vector256<float> b);
}

/// <summary>
/// Loops over elements [first, first + count) of arrays of equal shape. The result may be one of the operands. Elements do not depend on each other,
/// so any split gives the same bits.
/// </summary>
internal static unsafe class Elementwise
{
    /// <summary>y = a + b.</summary>
    internal static void Add(long first, long count, float* a, float* b, float* y) => Map(default(AddOp), first, count, a, b, y);

    /// <summary>Scalar twin of <see cref="Add"/>.</summary>
    internal static void AddScalar(long first, long count, float* a, float* b, float* y) => MapScalar(default(AddOp), first, count, a, b, y);

    /// <summary>y = a * b.</summary>
    internal static void Multiply(long first, long count, float* a, float* b, float* y) => Map(default(MultiplyOp), first, count, a, b, y);

    /// <summary>Scalar twin of <see cref="Multiply"/>.</summary>
    internal static void MultiplyScalar(long first, long count, float* a, float* b, float* y) => MapScalar(default(MultiplyOp), first, count, a, b, y);

    /// <summary>y = x * factor.</summary>
    internal static void Scale(long first, long count, float factor, float* x, float* y) => Map(new ScaleOp(factor), first, count, x, y);

    /// <summary>Scalar twin of <see cref="Scale"/>.</summary>
    internal static void ScaleScalar(long first, long count, float factor, float* x, float* y) => MapScalar(new ScaleOp(factor), first, count, x, y);

    /// <summary>average = decay * average + (1 - decay) * x: the exponential moving average of weights. <paramref name="decay"/> is rounded to f32 once, so is 1 - decay.</summary>
    internal static void Ema(long first, long count, double decay, float* x, float* average) =>
        Map(new EmaOp(decay), first, count, average, x, average);

    /// <summary>Scalar twin of <see cref="Ema"/>.</summary>
    internal static void EmaScalar(long first, long count, double decay, float* x, float* average) =>
        MapScalar(new EmaOp(decay), first, count, average, x, average);

    /// <summary>y = x, bytes as they are.</summary>
    internal static void Copy(long first, long count, float* x, float* y) =>
        Buffer.MemoryCopy(x + first, y + first, count * sizeof(float), count * sizeof(float));

    /// <summary>y = f(x).</summary>
    internal static void Map<TOp>(TOp op, long first, long count, float* x, float* y)
        where TOp : struct, IMap1
    {
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
            op.Apply(Vector256.Load(x + i)).Store(y + i);

        for (; i < end; i++)
            y[i] = op.Apply(x[i]);
    }

    /// <summary>Scalar twin of the map of one operand.</summary>
    internal static void MapScalar<TOp>(TOp op, long first, long count, float* x, float* y)
        where TOp : struct, IMap1
    {
        for (long i = first; i < first + count; i++)
            y[i] = op.Apply(x[i]);
    }

    /// <summary>y = f(a, b).</summary>
    internal static void Map<TOp>(TOp op, long first, long count, float* a, float* b, float* y)
        where TOp : struct, IMap2
    {
        long i = first, end = first + count;
        for (; i <= end - 8; i += 8)
            op.Apply(Vector256.Load(a + i), Vector256.Load(b + i)).Store(y + i);

        for (; i < end; i++)
            y[i] = op.Apply(a[i], b[i]);
    }

    /// <summary>Scalar twin of the map of two operands.</summary>
    internal static void MapScalar<TOp>(TOp op, long first, long count, float* a, float* b, float* y)
        where TOp : struct, IMap2
    {
        for (long i = first; i < first + count; i++)
            y[i] = op.Apply(a[i], b[i]);
    }

    private readonly struct AddOp : IMap2
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Apply(float a, float b) => a + b;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> a, Vector256<float> b) => a + b;
    }

    private readonly struct MultiplyOp : IMap2
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Apply(float a, float b) => a * b;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> a, Vector256<float> b) => a * b;
    }

    private readonly struct ScaleOp(float factor) : IMap1
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Apply(float a) => a * factor;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> a) => a * Vector256.Create(factor);
    }

    private readonly struct EmaOp(double decay) : IMap2
    {
        private readonly float _keep = (float)decay;
        private readonly float _take = (float)(1 - decay);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Apply(float a, float b) => MathF.FusedMultiplyAdd(_keep, a, _take * b);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<float> Apply(Vector256<float> a, Vector256<float> b) =>
            Vector256.FusedMultiplyAdd(Vector256.Create(_keep), a, Vector256.Create(_take) * b);
    }
}
