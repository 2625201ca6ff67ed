using Xunit;

namespace Tandem.Conformance.Tests;

/// <summary>The shared goldens beside the checkout, through the code that the program runs.</summary>
public sealed class SharedGoldenTests
{
    [Theory]
    [InlineData("models")]
    [InlineData("training")]
    [InlineData("tokenizers")]
    public void No_case_fails(string kind)
    {
        string? shared = Runner.FindShared();
        Assert.SkipWhen(shared is null, "shared/goldens is not beside the repository");
        Report report = CaseFiles.RunFolder(Path.Combine(shared, kind), shared);
        Assert.Equal([], report.Results.Where(r => r.Verdict == Verdict.Failed).Select(r => $"{r.Name}: {r.Detail}"));
        Assert.True(report.Count(Verdict.Passed) > 0, report.Totals);
    }

    [Theory]
    [InlineData("models/llama_plain")]
    [InlineData("training/ops")]
    [InlineData("training/models/llama_tied")]
    [InlineData("tokenizers/bpe_gpt2")]
    [InlineData("tokenizers/training")]
    public void A_subfolder_by_itself_gives_the_same_cases(string folder)
    {
        string? shared = Runner.FindShared();
        Assert.SkipWhen(shared is null, "shared/goldens is not beside the repository");
        Report report = CaseFiles.RunFolder(Path.Combine(shared, folder), shared);
        Assert.Equal(0, report.ExitCode);
        Assert.All(report.Results, r => Assert.StartsWith(folder, r.Name, StringComparison.Ordinal));
    }
}
