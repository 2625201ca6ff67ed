using Xunit;

namespace Tandem.Conformance.Tests;

/// <summary>The comparisons themselves.</summary>
public sealed class ChecksTests
{
    [Fact]
    public void Not_a_number_never_passes()
    {
        var checks = new Checks();
        checks.MaxRelative("actual", [1, 2], [1, float.NaN], 1e9);
        checks.MaxAbsolute("expected", [1, float.NaN], [1, 2], 1e9);
        checks.Relative("scalar", 1, double.NaN, 1e9);
        Assert.All(checks.All, c => Assert.False(c.Passed));
    }

    [Fact]
    public void Where_zeros_are_expected_nothing_else_will_do()
    {
        var checks = new Checks();
        checks.MaxRelative("zero", [0, 0], [0, 0], 1e-6);
        Assert.True(checks.Passed);
        checks.MaxRelative("tiny", [0, 0], [0, 1e-30f], 1e-6);
        Assert.False(checks.Passed);
    }

    [Fact]
    public void Tolerances_are_relative_to_the_largest_value()
    {
        var checks = new Checks();
        checks.MaxRelative("within", [100, 1], [100, 1.00009f], 1e-6);
        Assert.True(checks.Passed);
        checks.MaxRelative("beyond", [100, 1], [100, 1.0002f], 1e-6);
        Assert.False(checks.Passed);
    }

    [Fact]
    public void Lengths_must_agree()
    {
        var checks = new Checks();
        checks.MaxAbsolute("shorter", [1, 2], [1], 1);
        checks.Same("longer", [1], [1, 2]);
        Assert.Equal(["shorter: 1 elements, wanted 2", "longer: 2 entries, wanted 1"], checks.All.Select(c => c.ToString()));
    }

    [Fact]
    public void A_case_without_comparisons_does_not_pass() => Assert.False(new Checks().Passed);

    [Fact]
    public void The_summary_names_the_failures_or_what_came_nearest()
    {
        var checks = new Checks();
        checks.Within("far", 0.1, 1);
        checks.Within("near", 0.9, 1);
        Assert.StartsWith("near: 0.9, allowed 1", checks.Summary, StringComparison.Ordinal);
        checks.Equal("ids", 3, 4);
        Assert.Equal("ids: 4, wanted 3", checks.Summary);
    }
}
