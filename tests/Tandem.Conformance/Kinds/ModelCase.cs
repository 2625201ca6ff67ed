using System.Globalization;
using System.Text.Json;
using Tandem.Inference;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>A case's model, loaded with one spelling of its config, and its comparisons with the reference.</summary>
internal sealed class ModelCase(string config, JsonElement golden, GoldenTensors tensors, Model model, RunContext context, Checks checks)
{
    // The reference's frequencies are f32; so are two roundings of a power.
    private const double FrequencyTolerance = 4e-7;

    private readonly string[] _names = [.. golden.GetProperty("prompts").EnumerateArray().Select(p => p.GetProperty("name").GetString()!)];
    private readonly int[][] _prompts = [.. golden.GetProperty("prompts").EnumerateArray().Select(p => Ints(p, "ids"))];
    private readonly double _tolerance = golden.GetProperty("tolerance_logits_abs").GetDouble();

    private int Steps => golden.GetProperty("greedy").EnumerateArray().Max(g => g.GetProperty("tokens").GetArrayLength());

    private int Longest => _prompts.Max(p => p.Length) + Steps;

    /// <summary>What the config and the files say of themselves.</summary>
    public void CompareConfig()
    {
        string? stored = golden.GetProperty("stored_dtype").GetString();
        string? read = model.Config.StoredDType switch
        {
            DType.F32 => "float32",
            DType.BF16 => "bfloat16",
            DType.F16 => "float16",
            _ => null,
        };
        checks.Equal($"{config}: stored type", stored, read);
        checks.Equal($"{config}: parameters", golden.GetProperty("parameters").GetInt64(), model.NumParameters);
    }

    /// <summary>Rope frequencies and the multiplier of cosines and sines.</summary>
    public void CompareRope()
    {
        if (golden.GetProperty("rope") is not { ValueKind: JsonValueKind.Object } rope) return;
        foreach (JsonProperty length in rope.GetProperty("inv_freq_by_length").GetProperty("inv_freq").EnumerateObject())
        {
            int n = length.Name == "any" ? Longest : int.Parse(length.Name, CultureInfo.InvariantCulture);
            (double[] frequencies, double multiplier) = RopeFrequencies.Compute(model.Config.Rope!, model.Config.HeadDim, n);
            double[] expected = [.. length.Value.EnumerateArray().Select(f => f.GetDouble())];
            if (expected.Length != frequencies.Length) checks.Equal($"{config}: number of rope frequencies", expected.Length, frequencies.Length);
            else checks.Within($"{config}: rope frequencies of length {length.Name}", expected.Zip(frequencies, (e, f) => Math.Abs((f / e) - 1)).Max(), FrequencyTolerance);
            double scaling = rope.GetProperty("cos_sin_multiplier").GetProperty("attention_scaling").GetDouble();
            checks.Relative($"{config}: rope multiplier", scaling, multiplier, FrequencyTolerance);
        }
    }

    /// <summary>Logits of each prompt, alone and packed.</summary>
    public void CompareLogits()
    {
        using var runner = new LogitsRunner(model, context.Team, Math.Max(_prompts.Sum(p => p.Length), Longest), _prompts.Length);
        for (int i = 0; i < _names.Length; i++)
            checks.MaxAbsolute($"{config}: logits.{_names[i]}", tensors.Floats($"logits.{_names[i]}"), runner.Run([_prompts[i]])[0], _tolerance);

        float[][] packed = runner.Run(_prompts);
        for (int i = 0; i < _names.Length; i++) checks.MaxAbsolute($"{config}: packed logits.{_names[i]}", tensors.Floats($"logits.{_names[i]}"), packed[i], _tolerance);
    }

    /// <summary>Hidden states of one prompt.</summary>
    public void CompareHidden()
    {
        const string prefix = "hidden.p1.";
        string[] names = [.. tensors.Names.Where(n => n.StartsWith(prefix, StringComparison.Ordinal))];
        HiddenNodes nodes = HiddenNodes.Of(model.Config);
        foreach (string unknown in names.Where(n => nodes.Find(n[prefix.Length..]) == null)) checks.Fail($"{config}: {unknown}", "the graph has no node for it");
        names = [.. names.Where(n => nodes.Find(n[prefix.Length..]) != null)];
        int[] prompt = _prompts[Array.IndexOf(_names, "p1")];
        using var runner = new LogitsRunner(model, context.Team, prompt.Length, 1, names.Select(n => nodes.Find(n[prefix.Length..])!));
        runner.Run([prompt]);
        double relative = Math.Max(1e-5, 10 * golden.GetProperty("float64_difference_hidden_relative").GetDouble());
        foreach (string name in names) checks.MaxRelative($"{config}: {name}", tensors.Floats(name), runner.Exposed(nodes.Find(name[prefix.Length..])!), relative);
    }

    /// <summary>Greedy continuations with their log-probabilities.</summary>
    public void CompareGreedy()
    {
        List<GeneratedToken>[] generated = model.Config.Rope is { DependsOnLength: true } || model.Config.MaxPositions < Longest ? Recompute() : Generate();
        foreach (JsonElement greedy in golden.GetProperty("greedy").EnumerateArray())
        {
            string prompt = greedy.GetProperty("prompt").GetString()!, name = $"{config}: greedy {prompt}";
            List<GeneratedToken> actual = generated[Array.IndexOf(_names, prompt)];
            int[] tokens = Ints(greedy, "tokens");
            checks.Same($"{name} tokens", tokens, [.. actual.Take(tokens.Length).Select(t => t.Id)]);
            double[] logProbs = [.. greedy.GetProperty("logprobs").EnumerateArray().Select(l => l.GetDouble())];
            checks.Within($"{name} logprobs", logProbs.Zip(actual, (e, a) => Math.Abs(e - a.LogProb)).Max(), 2 * _tolerance);
        }
    }

    // With the engine and its cache: prompts in chunks, all three at once.
    private List<GeneratedToken>[] Generate()
    {
        using var engine = new Engine(model, context.Team, new EngineOptions { PrefillChunk = 16, CacheTokens = _prompts.Length * (Longest + 64) });
        Request[] requests = [.. _prompts.Select(p => engine.Submit(p, new SamplingOptions { Temperature = 0, MaxTokens = Steps, IgnoreEos = true }))];
        while (engine.Step())
        {
        }

        return [.. requests.Select(r => r.Generated.ToList())];
    }

    // The reference of these rope tables computes the whole sequence again at every step, with the table of its length.
    private List<GeneratedToken>[] Recompute()
    {
        using var runner = new LogitsRunner(model, context.Team, Longest, 1);
        return [.. _prompts.Select(prompt =>
        {
            var sequence = new List<int>(prompt);
            var generated = new List<GeneratedToken>();
            for (int step = 0; step < Steps; step++)
            {
                float[] logits = runner.Run([[.. sequence]])[0];
                ReadOnlySpan<float> last = logits.AsSpan(logits.Length - model.Config.VocabSize);
                int token = ArgMax(last);
                generated.Add(new GeneratedToken(token, LogProbs.Of(last, token)));
                sequence.Add(token);
            }

            return generated;
        })];
    }

    private static int ArgMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            if (values[i] > values[best]) best = i;
        return best;
    }

    private static int[] Ints(JsonElement element, string property) => [.. element.GetProperty(property).EnumerateArray().Select(v => v.GetInt32())];
}
