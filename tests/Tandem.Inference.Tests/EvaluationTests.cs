using Tandem.Cpu;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

public sealed class EvaluationTests
{
    [Fact]
    public void Windows_score_each_token_once_but_the_first()
    {
        Assert.Equal([(0, 1), (4, 5)], new EvaluationWindows(4, 4).Cut(11));
        Assert.Equal([(0, 1), (2, 4), (4, 6)], new EvaluationWindows(4, 2).Cut(9));
        Assert.Equal([(0, 1)], new EvaluationWindows(4, 2) { Limit = 1 }.Cut(9));
        Assert.Contains("stride 5, wanted 1 to the window's 4", Assert.Throws<TandemException>(() => new EvaluationWindows(4, 5).Cut(9)).Message, StringComparison.Ordinal);
        Assert.Contains("the text has 3 tokens", Assert.Throws<TandemException>(() => new EvaluationWindows(4, 4).Cut(3)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Divergence_is_the_sum_of_its_definition()
    {
        float[] p = [1, 2, 3, -50], q = [2, 2.5f, 1, 0];
        double[] pp = Softmax(p), qq = Softmax(q);
        double expected = Enumerable.Range(0, 4).Sum(i => pp[i] * Math.Log(pp[i] / qq[i]));
        Assert.Equal(expected, Divergence.Of(p, q, out bool same), 1e-12);
        Assert.False(same);
        Assert.Equal(0, Divergence.Of(p, p, out same));
        Assert.True(same);

        static double[] Softmax(float[] x) => [.. x.Select(v => Math.Exp(v) / x.Sum(w => Math.Exp(w)))];
    }

    [Fact]
    public void A_model_has_the_perplexity_of_its_log_probabilities_and_no_distance_from_itself()
    {
        using Model model = TinyModels.Initialized(TinyModels.Llama(positions: 256));
        using var team = new ThreadTeam(2);
        using var engine = new Engine(model, team, Perplexity.ScoringOptions(new EngineOptions(), 16));
        using var other = new Engine(model, team, Perplexity.ScoringOptions(new EngineOptions { MaxRows = 5 }, 16));
        int[] tokens = [.. Enumerable.Range(0, 50).Select(i => i * 7 % model.Config.VocabSize)];
        var windows = new EvaluationWindows(16, 8);
        PerplexityResult result = Perplexity.Run(engine, tokens, windows, cancel: TestContext.Current.CancellationToken);
        Assert.Equal(result.WindowNll, Perplexity.Run(other, tokens, windows, cancel: TestContext.Current.CancellationToken).WindowNll);
        Assert.Equal(5, result.WindowNll.Count);
        Assert.Equal(15 + (4 * 8), result.Scored);
        DivergenceResult same = Divergence.Run(engine, other, tokens, windows, cancel: TestContext.Current.CancellationToken);
        Assert.Equal((result.Scored, 0.0, 0.0, 1.0), (same.Scored, same.Mean, same.Max, same.TopAgreement));
    }
}
