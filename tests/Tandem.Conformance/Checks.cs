using System.Globalization;

namespace Tandem.Conformance;

/// <summary>One comparison inside a case.</summary>
/// <param name="What">What was compared.</param>
/// <param name="Error">How far off it is.</param>
/// <param name="Allowed">How far off it may be.</param>
/// <param name="Difference">The first difference in words, where an error says little.</param>
internal sealed record Check(string What, double Error, double Allowed, string? Difference = null)
{
    /// <summary>Whether it holds; a NaN does not.</summary>
    public bool Passed => Difference == null && Error <= Allowed;

    /// <inheritdoc/>
    public override string ToString() =>
        Difference != null ? $"{What}: {Difference}" : string.Create(CultureInfo.InvariantCulture, $"{What}: {Error:g3}, allowed {Allowed:g3}");
}

/// <summary>The comparisons of a case. All are made; the case passes when each holds.</summary>
internal sealed class Checks
{
    private readonly List<Check> _all = [];

    /// <summary>All comparisons, in order.</summary>
    public IReadOnlyList<Check> All => _all;

    /// <summary>What a passed case is summed up by: its comparisons with this word; empty for all.</summary>
    public string Headline { get; set; } = "";

    /// <summary>Whether there was at least one and all hold.</summary>
    public bool Passed => _all.Count > 0 && _all.TrueForAll(c => c.Passed);

    /// <summary>The failed comparisons, or the one that came nearest to its limit.</summary>
    public string Summary
    {
        get
        {
            if (_all.Count == 0) return "nothing was compared";
            List<Check> failed = _all.FindAll(c => !c.Passed);
            if (failed.Count == 0)
            {
                Check nearest = _all
                    .OrderByDescending(c => c.What.Contains(Headline, StringComparison.Ordinal))
                    .ThenByDescending(c => c.Allowed > 0 ? c.Error / c.Allowed : 0)
                    .First();
                return nearest.Allowed > 0 ? nearest.ToString() : _all.Count == 1 ? nearest.What : $"{_all.Count} comparisons, all equal";
            }

            return string.Join("; ", failed.Take(4)) + (failed.Count > 4 ? $"; and {failed.Count - 4} more" : "");
        }
    }

    /// <summary>Compares an error with its limit.</summary>
    public void Within(string what, double error, double allowed) => _all.Add(new Check(what, error, allowed));

    /// <summary>Records a difference that has no size.</summary>
    public void Fail(string what, string difference) => _all.Add(new Check(what, double.NaN, 0, difference));

    /// <summary>Compares values that must be the same.</summary>
    public void Equal<T>(string what, T expected, T actual)
    {
        if (EqualityComparer<T>.Default.Equals(expected, actual)) _all.Add(new Check(what, 0, 0));
        else Fail(what, $"{Show(actual)}, wanted {Show(expected)}");
    }

    /// <summary>Compares sequences that must be the same; the first difference is reported with its place.</summary>
    public void Same<T>(string what, IReadOnlyList<T> expected, IReadOnlyList<T> actual)
    {
        if (FirstDifference(expected, actual) is { } difference) Fail(what, difference);
        else _all.Add(new Check(what, 0, 0));
    }

    /// <summary>Compares rows one by one; <paramref name="difference"/> gives what is wrong with a row, or null.</summary>
    public void Rows<T>(string what, IReadOnlyList<T> rows, Func<T, string?> difference)
    {
        int failed = 0;
        for (int i = 0; i < rows.Count; i++)
        {
            if (difference(rows[i]) is not { } problem) continue;
            failed++;
            Fail($"{what} {i + 1}", problem);
        }

        if (failed == 0) _all.Add(new Check($"{rows.Count} {what}s", 0, 0));
    }

    /// <summary>Compares numbers: |actual - expected| against <paramref name="tolerance"/> |expected|.</summary>
    public void Relative(string what, double expected, double actual, double tolerance) =>
        Within(what, expected == actual ? 0 : Math.Abs(actual - expected) / Math.Abs(expected), tolerance);

    /// <summary>
    /// Compares tensors: max |actual - expected| against <paramref name="allowed"/> max |expected|. Where all is expected to be 0 it must be exactly 0.
    /// </summary>
    public void MaxRelative(string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double allowed)
    {
        if (!SameLength(what, expected.Length, actual.Length)) return;
        double largest = 0;
        foreach (float value in expected) largest = Math.Max(largest, Math.Abs((double)value));
        double error = MaxError(expected, actual);
        Within(what, error == 0 ? 0 : error / Math.Max(largest, 1e-300), allowed);
    }

    /// <summary>Compares tensors: max |actual - expected| against <paramref name="allowed"/>.</summary>
    public void MaxAbsolute(string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double allowed)
    {
        if (SameLength(what, expected.Length, actual.Length)) Within(what, MaxError(expected, actual), allowed);
    }

    /// <summary>The first place where two sequences differ, in words; null if there is none.</summary>
    public static string? FirstDifference<T>(IReadOnlyList<T> expected, IReadOnlyList<T> actual)
    {
        for (int i = 0; i < Math.Min(expected.Count, actual.Count); i++)
        {
            if (!EqualityComparer<T>.Default.Equals(expected[i], actual[i])) return $"[{i}] is {Show(actual[i])}, wanted {Show(expected[i])}";
        }

        return expected.Count == actual.Count ? null : $"{actual.Count} entries, wanted {expected.Count}";
    }

    private static double MaxError(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            // Equal infinities are no error; anything else that is not finite must not get lost in a maximum.
            double error = expected[i] == actual[i] ? 0 : Math.Abs((double)actual[i] - expected[i]);
            if (!(error <= worst)) worst = error;
            if (double.IsNaN(worst)) return worst;
        }

        return worst;
    }

    private bool SameLength(string what, int expected, int actual)
    {
        if (expected == actual) return true;
        Fail(what, $"{actual} elements, wanted {expected}");
        return false;
    }

    private static string Show<T>(T value) => value is string text ? "'" + Escape(text) + "'" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "null";

    private static string Escape(string text)
    {
        IEnumerable<string> shown = text.Take(120).Select(c => char.IsControl(c) || char.IsSurrogate(c) || c > '\u2000' ? $"\\u{(int)c:x4}" : c.ToString());
        return string.Concat(shown) + (text.Length > 120 ? "..." : "");
    }
}
