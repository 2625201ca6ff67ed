using System.Numerics;

namespace Tandem;

/// <summary>What the encoder of an IQ type has chosen for a block of 256.</summary>
internal sealed class CodebookChoice
{
    /// <summary>The block's scale, as binary16 holds it.</summary>
    public float D;

    /// <summary>Integer scales of the sub-blocks.</summary>
    public readonly int[] Scales = new int[16];

    /// <summary>Which table each sub-block uses.</summary>
    public readonly int[] Tables = new int[16];

    /// <summary>Numbers of the points.</summary>
    public readonly int[] Numbers = new int[64];

    /// <summary>For each eight elements, lowest bit first, which are negative.</summary>
    public readonly byte[] Signs = new byte[32];

    /// <summary>The weighted square of the error, without what does not depend on the choice.</summary>
    public double Cost;

    /// <summary>All zero: the first points, times a scale of nothing.</summary>
    public void Clear()
    {
        D = 0;
        Cost = 0;
        Array.Clear(Scales);
        Array.Clear(Tables);
        Array.Clear(Numbers);
        Array.Clear(Signs);
    }
}

/// <summary>
/// The encoder of IQ types. Every sub-block's cost is found at a row of scales, with the best point of all for each group at each; from these costs follows the block's scale whose
/// odd multiples cost least; then points are chosen at the multiples themselves, the block's scale is fitted to them by least squares, and points are chosen once more.
/// Exhaustive in points; scales are as fine as their 4 or 3 bits allow.
/// </summary>
internal sealed class CodebookBlocks
{
    // The row of scales: the sub-block's root mean square over that of all points, times these.
    private const int Steps = 12;
    private const float Lowest = 0.5f;
    private const float Ratio = 1.19f;

    private static readonly float LogRatio = Log(Ratio);

    // Logarithms of the odd numbers that block scales are multiplied by.
    private static readonly float[] LogOdd = [.. Enumerable.Range(0, 16).Select(scale => Log((2 * scale) + 1))];

    // How far the largest sub-block's scale may lie from the largest multiple.
    private const int Stretches = 28;
    private const float LeastStretch = 0.5f;
    private const float StretchRatio = 1.035f;

    [ThreadStatic]
    private static CodebookBlocks? _instance;

    // A and B of PointTable for every group and table of the block: at most 32 groups of 4,096 points.
    private readonly float[] _a = new float[32 * 4096], _b = new float[32 * 4096];
    private readonly float[] _magnitudes = new float[256], _costs = new float[16 * Steps], _first = new float[16], _logFirst = new float[16];
    private readonly int[] _trial = new int[8];
    private CodebookChoice _best = new(), _next = new();

    /// <summary>Chooses scales, points and signs for 256 values. The result is valid until the thread's next call.</summary>
    public static CodebookChoice Choose(CodebookFormat format, ReadOnlySpan<float> values, ReadOnlySpan<float> weights) =>
        (_instance ??= new CodebookBlocks()).Search(format, values, weights.IsEmpty ? EqualWeights.Of(256) : weights);

    private CodebookChoice Search(CodebookFormat format, ReadOnlySpan<float> values, ReadOnlySpan<float> weights)
    {
        SetSigns(format.Signs, values, weights);
        for (int sub = 0; sub < format.SubBlocks; sub++) FindCosts(format, weights, sub);
        float d = SymmetricBlocks.Round(ChooseUnit(format) / format.Unit);
        if (d == 0)
        {
            _best.Clear();
            return _best;
        }

        for (int sub = 0; sub < format.SubBlocks; sub++) _next.Scales[sub] = NearestScale(format, sub, d);
        ChoosePoints(format, d, _next.Scales, reach: 1, _best);
        float fitted = SymmetricBlocks.Round(d * LeastSquares(format, weights, _best));
        if (fitted == 0 || fitted == d) return _best;
        ChoosePoints(format, fitted, _best.Scales, reach: 0, _next);
        if (_next.Cost < _best.Cost) (_best, _next) = (_next, _best);
        return _best;
    }

    // Magnitudes to be matched by points. Where signs must be even and are not, the value whose change of sign costs least changes it: its magnitude counts as negative.
    private void SetSigns(SignRule rule, ReadOnlySpan<float> values, ReadOnlySpan<float> weights)
    {
        if (rule == SignRule.InPoints)
        {
            values.CopyTo(_magnitudes);
            return;
        }

        for (int group = 0; group < 32; group++)
        {
            int signs = 0, cheapest = 0;
            float least = float.PositiveInfinity;
            for (int j = 0; j < 8; j++)
            {
                float value = values[(8 * group) + j], cost = weights[(8 * group) + j] * value * value;
                if (value < 0) signs |= 1 << j;
                if (cost < least) (least, cheapest) = (cost, j);
                _magnitudes[(8 * group) + j] = MathF.Abs(value);
            }

            if (rule == SignRule.Even && (BitOperations.PopCount((uint)signs) & 1) != 0)
            {
                signs ^= 1 << cheapest;
                _magnitudes[(8 * group) + cheapest] = -_magnitudes[(8 * group) + cheapest];
            }

            _best.Signs[group] = _next.Signs[group] = (byte)signs;
        }
    }

    // A sub-block's cost at its row of scales.
    private void FindCosts(CodebookFormat format, ReadOnlySpan<float> weights, int sub)
    {
        Span<float> costs = _costs.AsSpan(sub * Steps, Steps), scales = stackalloc float[Steps], here = stackalloc float[Steps];
        ReadOnlySpan<float> x = _magnitudes.AsSpan(sub * format.SubBlock, format.SubBlock), w = weights.Slice(sub * format.SubBlock, format.SubBlock);
        double square = 0, total = 0;
        for (int i = 0; i < x.Length; i++)
        {
            square += (double)w[i] * x[i] * x[i];
            total += w[i];
        }

        _first[sub] = Lowest * (float)Math.Sqrt(square / total) / format.Tables[0].RootMeanSquare;
        if (_first[sub] > 0) _logFirst[sub] = Log(_first[sub]);
        scales[0] = _first[sub];
        for (int i = 1; i < Steps; i++) scales[i] = scales[i - 1] * Ratio;
        costs.Fill(float.PositiveInfinity);
        for (int which = 0; which < format.Tables.Length; which++)
        {
            PointTable table = format.Tables[which];
            here.Clear();
            for (int at = 0; at < x.Length; at += table.Dim)
            {
                Range place = Place(format, (sub * format.SubBlock + at) / table.Dim, which);
                table.Prepare(x.Slice(at, table.Dim), w.Slice(at, table.Dim), _a.AsSpan(place), _b.AsSpan(place));
                table.AddCosts(_a.AsSpan(place), _b.AsSpan(place), scales, here);
            }

            for (int i = 0; i < Steps; i++) costs[i] = MathF.Min(costs[i], here[i]);
        }
    }

    // Where a group's A and B for a table are.
    private static Range Place(CodebookFormat format, int group, int which)
    {
        int count = format.Tables[which].Count, start = ((group * format.Tables.Length) + which) * count;
        return start..(start + count);
    }

    // The block's scale times the unit: of a row of candidates around the largest sub-block's best scale, the one whose odd multiples cost least by the costs that are known.
    private float ChooseUnit(CodebookFormat format)
    {
        float largest = 0;
        Span<float> wanted = stackalloc float[format.SubBlocks];
        for (int sub = 0; sub < wanted.Length; sub++)
        {
            ReadOnlySpan<float> costs = _costs.AsSpan(sub * Steps, Steps);
            float scale = _first[sub], least = costs[0];
            wanted[sub] = scale;
            for (int i = 1; i < Steps; i++)
            {
                scale *= Ratio;
                if (costs[i] < least) (least, wanted[sub]) = (costs[i], scale);
            }

            largest = MathF.Max(largest, wanted[sub]);
        }

        float unit = largest / ((2 * format.ScaleCount) - 1) * LeastStretch, chosen = 0;
        double smallest = double.PositiveInfinity;
        for (int i = 0; i < Stretches && unit > 0; i++, unit *= StretchRatio)
        {
            double total = 0;
            float log = Log(unit);
            for (int sub = 0; sub < wanted.Length; sub++)
            {
                int below = Math.Clamp((int)((wanted[sub] / unit - 1) / 2), 0, format.ScaleCount - 1), above = Math.Min(below + 1, format.ScaleCount - 1);
                total += MathF.Min(CostAt(sub, unit, log, below), CostAt(sub, unit, log, above));
            }

            if (total < smallest) (smallest, chosen) = (total, unit);
        }

        return chosen;
    }

    // Costs are smooth over the scale's logarithm: between known ones a parabola through the nearest three. Below them linear in the
    // scale, towards 0, where nothing is gained; above them growing.
    private float CostAt(int sub, float unit, float logUnit, int scale)
    {
        ReadOnlySpan<float> costs = _costs.AsSpan(sub * Steps, Steps);
        float first = _first[sub];
        if (first == 0) return 0;
        float place = (logUnit + LogOdd[scale] - _logFirst[sub]) / LogRatio;
        if (place <= 0) return costs[0] * unit * ((2 * scale) + 1) / first;
        if (place > Steps - 1) return costs[^1] + (MathF.Abs(costs[^1]) * (place - (Steps - 1)));
        int middle = Math.Clamp((int)(place + 0.5f), 1, Steps - 2);
        float t = place - middle, slope = (costs[middle + 1] - costs[middle - 1]) / 2, bend = ((costs[middle + 1] + costs[middle - 1]) / 2) - costs[middle];
        return costs[middle] + (t * (slope + (t * bend)));
    }

    // The best points for each sub-block at multiples of a block's scale: given ones, or up to reach beside them.
    private void ChoosePoints(CodebookFormat format, float d, ReadOnlySpan<int> near, int reach, CodebookChoice choice)
    {
        choice.D = d;
        choice.Cost = 0;
        int groups = format.SubBlock / format.Dim;
        for (int sub = 0; sub < format.SubBlocks; sub++)
        {
            float least = float.PositiveInfinity;
            int lowest = Math.Max(0, near[sub] - reach), highest = Math.Min(format.ScaleCount - 1, near[sub] + reach);
            for (int which = 0; which < format.Tables.Length; which++)
            {
                for (int scale = lowest; scale <= highest; scale++)
                {
                    float total = 0;
                    for (int group = 0; group < groups; group++)
                    {
                        Range place = Place(format, (sub * groups) + group, which);
                        _trial[group] = format.Tables[which].Best(_a.AsSpan(place), _b.AsSpan(place), d * format.Unit * ((2 * scale) + 1), out float cost);
                        total += cost;
                    }

                    if (!(total < least)) continue;
                    (least, choice.Scales[sub], choice.Tables[sub]) = (total, scale, which);
                    _trial.AsSpan(0, groups).CopyTo(choice.Numbers.AsSpan(sub * groups));
                }
            }

            choice.Cost += least;
        }
    }

    // The multiple that costs least by what is known.
    private int NearestScale(CodebookFormat format, int sub, float d)
    {
        int best = 0;
        float least = float.PositiveInfinity, unit = d * format.Unit, log = Log(unit);
        for (int scale = 0; scale < format.ScaleCount; scale++)
        {
            float cost = CostAt(sub, unit, log, scale);
            if (cost < least) (least, best) = (cost, scale);
        }

        return best;
    }

    // The factor that the block's scale should have for the chosen points.
    private float LeastSquares(CodebookFormat format, ReadOnlySpan<float> weights, CodebookChoice choice)
    {
        double cross = 0, square = 0;
        for (int i = 0; i < 256; i++)
        {
            int sub = i / format.SubBlock;
            double value = (double)choice.D * format.Unit * ((2 * choice.Scales[sub]) + 1)
                * format.Tables[choice.Tables[sub]].Value(choice.Numbers[i / format.Dim], i % format.Dim);
            cross += weights[i] * value * _magnitudes[i];
            square += weights[i] * value * value;
        }

        return square > 0 ? (float)(cross / square) : 0;
    }

    private static float Log(float value) => (float)PortableMath.Log(value);
}
