using System.Text.Json;
using Tandem.Cpu;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>SmolLM2-135M-Instruct from its GGUF file against transformers' results; skipped where the shared data is absent.</summary>
public sealed class RealModelTests
{
    internal static readonly string? Shared = Find();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Log_probabilities_are_those_of_the_reference(bool quantizeRows)
    {
        Assert.SkipUnless(Shared != null, "shared data (models/smollm2-135m-instruct, goldens/smollm2) is not beside the checkout");
        using JsonDocument goldens = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Shared!, "goldens/smollm2/goldens.json")));
        using Model model = Model.Load(Path.Combine(Shared!, "data/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"), weightType: null);
        using var team = new ThreadTeam();
        using var engine = new Engine(model, team, new EngineOptions { MaxLength = 512, QuantizeRows = quantizeRows });
        double bound = quantizeRows ? 0.5 : 2e-3, worst = 0;
        foreach (JsonElement golden in goldens.RootElement.GetProperty("cases").EnumerateArray())
        {
            int[] prompt = [.. golden.GetProperty("ids").EnumerateArray().Select(x => x.GetInt32())];
            int[] greedy = [.. golden.GetProperty("greedy_ids").EnumerateArray().Select(x => x.GetInt32())];
            double[] expected = [.. golden.GetProperty("prompt_logprobs").EnumerateArray().Select(x => x.GetDouble()), .. golden.GetProperty("greedy_logprobs").EnumerateArray().Select(x => x.GetDouble())];
            Request request = engine.Submit([.. prompt, .. greedy], new SamplingOptions { MaxTokens = 1, Temperature = 0, PromptLogProbs = true, IgnoreEos = true });
            while (request.Finish == FinishReason.None) engine.Step();
            for (int i = 0; i < expected.Length; i++) worst = Math.Max(worst, Math.Abs(expected[i] - request.PromptLogProbs[i]));
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"largest difference {worst}");
        Assert.InRange(worst, 0, bound);
    }

    private static string? Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
        {
            string shared = Path.Combine(folder.FullName, "..", "shared");
            if (File.Exists(Path.Combine(shared, "goldens/smollm2/goldens.json")) && Directory.Exists(Path.Combine(shared, "data/models/smollm2-135m-instruct"))) return Path.GetFullPath(shared);
        }

        return null;
    }
}
