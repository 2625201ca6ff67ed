using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// The points of a codebook as a search reads them: sixteen points' first values and their squares, then their second ones and so on, then the next sixteen points. For a group of values x with weights w and a scale s, the
/// squared error of a point g is the sum of w x^2 plus s * (s * B - A), where A is twice the sum of w x g and B that of w g^2. Neither depends on the scale: they are made once
/// for a group, and any number of scales then costs two operations a point.
/// </summary>
internal sealed class PointTable
{
    private readonly float[] _table;

    /// <summary>The points of a codebook, moved by each of some shifts; numbers count through the first shift's points, then the next's.</summary>
    public PointTable(Codebook book, params ReadOnlySpan<float> shifts)
    {
        Dim = book.Dim;
        Count = book.Count * shifts.Length;
        _table = new float[2 * Dim * Count];
        double square = 0;
        for (int k = 0; k < Count; k++)
        {
            for (int j = 0; j < Dim; j++)
            {
                float value = book.Values[(k % book.Count * Dim) + j] + shifts[k / book.Count];
                _table[Place(k, j)] = value;
                _table[Place(k, j) + 16] = value * value;
                square += (double)value * value;
            }
        }

        RootMeanSquare = (float)Math.Sqrt(square / (Dim * Count));
    }

    /// <summary>Values of a point.</summary>
    public int Dim { get; }

    /// <summary>How many points there are, a multiple of 16.</summary>
    public int Count { get; }

    /// <summary>The root of the mean square of all points' values.</summary>
    public float RootMeanSquare { get; }

    /// <summary>One value of a point.</summary>
    public float Value(int point, int element) => _table[Place(point, element)];

    /// <summary>Makes A and B of all points for one group.</summary>
    public void Prepare(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<float> a, Span<float> b)
    {
        ref float table = ref _table[0];
        Span<float> products = stackalloc float[8];
        for (int j = 0; j < Dim; j++) products[j] = 2 * weights[j] * values[j];
        nuint at = 0;
        for (int k = 0; k < Count; k += 16)
        {
            Vector256<float> cross = Vector256<float>.Zero, square = Vector256<float>.Zero, cross2 = Vector256<float>.Zero, square2 = Vector256<float>.Zero;
            for (int j = 0; j < Dim; j++, at += 32)
            {
                Vector256<float> x = Vector256.Create(products[j]), w = Vector256.Create(weights[j]);
                cross += x * Vector256.LoadUnsafe(ref table, at);
                cross2 += x * Vector256.LoadUnsafe(ref table, at + 8);
                square += w * Vector256.LoadUnsafe(ref table, at + 16);
                square2 += w * Vector256.LoadUnsafe(ref table, at + 24);
            }

            cross.CopyTo(a[k..]);
            cross2.CopyTo(a[(k + 8)..]);
            square.CopyTo(b[k..]);
            square2.CopyTo(b[(k + 8)..]);
        }
    }

    /// <summary>Adds to each scale's cost (a multiple of 4 of them) what the best point for it costs: s * (s * B - A), without the sum of w x^2.</summary>
    public void AddCosts(ReadOnlySpan<float> a, ReadOnlySpan<float> b, ReadOnlySpan<float> scales, Span<float> costs)
    {
        ref readonly float crosses = ref a[..Count][0], squares = ref b[..Count][0];
        for (int i = 0; i < scales.Length; i += 4)
        {
            Vector256<float> s0 = Vector256.Create(scales[i]), s1 = Vector256.Create(scales[i + 1]), s2 = Vector256.Create(scales[i + 2]), s3 = Vector256.Create(scales[i + 3]);
            Vector256<float> m0 = Vector256.Create(float.PositiveInfinity), m1 = m0, m2 = m0, m3 = m0;
            for (nuint k = 0; k < (nuint)Count; k += 8)
            {
                Vector256<float> cross = Vector256.LoadUnsafe(in crosses, k), square = Vector256.LoadUnsafe(in squares, k);
                m0 = Vector256.MinNative(m0, (s0 * square) - cross);
                m1 = Vector256.MinNative(m1, (s1 * square) - cross);
                m2 = Vector256.MinNative(m2, (s2 * square) - cross);
                m3 = Vector256.MinNative(m3, (s3 * square) - cross);
            }

            costs[i] += scales[i] * Least(m0);
            costs[i + 1] += scales[i + 1] * Least(m1);
            costs[i + 2] += scales[i + 2] * Least(m2);
            costs[i + 3] += scales[i + 3] * Least(m3);
        }
    }

    /// <summary>The best point at a scale, the first of equal ones, and its cost.</summary>
    public int Best(ReadOnlySpan<float> a, ReadOnlySpan<float> b, float scale, out float cost)
    {
        Vector256<float> s = Vector256.Create(scale), least = Vector256.Create(float.PositiveInfinity);
        Vector256<int> numbers = Vector256<int>.Zero, best = Vector256<int>.Zero;
        ref readonly float crosses = ref a[..Count][0], squares = ref b[..Count][0];
        for (nuint k = 0; k < (nuint)Count; k += 8)
        {
            Vector256<float> here = (s * Vector256.LoadUnsafe(in squares, k)) - Vector256.LoadUnsafe(in crosses, k), less = Vector256.LessThan(here, least);
            least = Vector256.ConditionalSelect(less, here, least);
            best = Vector256.ConditionalSelect(less.AsInt32(), numbers, best);
            numbers += Vector256.Create(8);
        }

        int number = int.MaxValue;
        float smallest = Least(least);
        for (int lane = 0; lane < 8; lane++)
        {
            if (least[lane] == smallest) number = Math.Min(number, best[lane] + lane);
        }

        cost = scale * smallest;
        return number;
    }

    private int Place(int point, int element) => (((point / 16 * Dim) + element) * 32) + (point % 16);

    private static float Least(Vector256<float> values)
    {
        Vector128<float> four = Vector128.Min(values.GetLower(), values.GetUpper());
        return MathF.Min(MathF.Min(four[0], four[1]), MathF.Min(four[2], four[3]));
    }
}
