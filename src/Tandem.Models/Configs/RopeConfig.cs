using System.Text.Json;

namespace Tandem.Models;

/// <summary>How rotary frequencies are scaled for long contexts.</summary>
public enum RopeKind
{
    /// <summary>Not at all.</summary>
    Default,

    /// <summary>All frequencies divided by a factor (Chen et al., Extending Context Window via Positional Interpolation, 2023).</summary>
    Linear,

    /// <summary>A base that grows with the sequence ("dynamic NTK").</summary>
    Dynamic,

    /// <summary>Low frequencies divided, high ones kept, a ramp between (Llama 3.1).</summary>
    Llama3,

    /// <summary>The same with a ramp over dimensions and a temperature (Peng et al., YaRN, 2023).</summary>
    Yarn,

    /// <summary>A factor for every frequency, one list for short and one for long sequences (Ding et al., LongRoPE, 2024).</summary>
    LongRope,
}

/// <summary>Rotary position embedding as a model's config describes it. <see cref="RopeFrequencies"/> turns it into numbers.</summary>
public sealed record RopeConfig
{
    private const double MaxFactor = 1e6;

    private static readonly (string Name, RopeKind Value)[] Kinds =
    [
        ("default", RopeKind.Default), ("linear", RopeKind.Linear), ("dynamic", RopeKind.Dynamic), ("llama3", RopeKind.Llama3), ("yarn", RopeKind.Yarn),
        ("longrope", RopeKind.LongRope), ("su", RopeKind.LongRope),
    ];

    /// <summary>The scaling.</summary>
    public RopeKind Kind { get; init; }

    /// <summary>The base of the frequencies.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>The share of each head's dimensions that rotate.</summary>
    public double PartialRotaryFactor { get; init; } = 1;

    /// <summary>The model's <c>max_position_embeddings</c>.</summary>
    public int MaxPositions { get; init; }

    /// <summary>The context of the model before it was extended; <see cref="MaxPositions"/> when not given.</summary>
    public int OriginalMaxPositions { get; init; }

    /// <summary>By how much the context is extended; null when not given (only longrope does without).</summary>
    public double? Factor { get; init; }

    /// <summary>Llama 3: wavelengths above original / this are divided by the factor.</summary>
    public double LowFreqFactor { get; init; } = 1;

    /// <summary>Llama 3: wavelengths below original / this are kept.</summary>
    public double HighFreqFactor { get; init; } = 4;

    /// <summary>YaRN: rotations over the original context above which a frequency is kept.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>YaRN: rotations below which a frequency is divided by the factor.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>YaRN: whether the ramp's ends are rounded to whole dimensions.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>YaRN: the numerator of the multiplier.</summary>
    public double? Mscale { get; init; }

    /// <summary>YaRN: the denominator of the multiplier.</summary>
    public double? MscaleAllDim { get; init; }

    /// <summary>YaRN, longrope: the multiplier of cos and sin, if given.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>Longrope: divisors up to the original context.</summary>
    public IReadOnlyList<double> ShortFactor { get; init; } = [];

    /// <summary>Longrope: divisors beyond it.</summary>
    public IReadOnlyList<double> LongFactor { get; init; } = [];

    /// <summary>True when the table depends on how long the sequence may become.</summary>
    public bool DependsOnLength => Kind is RopeKind.Dynamic or RopeKind.LongRope;

    /// <summary>How many dimensions of a head rotate: int(headDim * share).</summary>
    public int RotaryDim(int headDim) => (int)(headDim * PartialRotaryFactor);

    /// <summary>Reads both spellings: <c>rope_parameters</c>, or <c>rope_scaling</c> with <c>rope_theta</c> and <c>partial_rotary_factor</c> beside it.</summary>
    internal static RopeConfig Read(ConfigReader config, int headDim, int maxPositions, double defaultTheta)
    {
        var key = config.Has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        var rope = config.Object(key);
        var typeKey = rope is null || rope.Has("rope_type") ? "rope_type" : "type";
        var kind = rope?.Choice(typeKey, Kinds, RopeKind.Default) ?? RopeKind.Default;
        var original = rope?.OptionalInt("original_max_position_embeddings", 1, ModelConfig.MaxMaxPositions)
            ?? config.OptionalInt("original_max_position_embeddings", 1, ModelConfig.MaxMaxPositions);
        var result = new RopeConfig
        {
            Kind = kind,
            Theta = rope?.OptionalNumber("rope_theta", 1.001, 1e15) ?? config.Number("rope_theta", 1.001, 1e15, defaultTheta),
            PartialRotaryFactor = rope?.OptionalNumber("partial_rotary_factor", 0, 1) ?? config.Number("partial_rotary_factor", 0, 1, 1),
            MaxPositions = maxPositions,
            OriginalMaxPositions = original ?? maxPositions,
        };
        var d = result.RotaryDim(headDim);
        if (d < 2 || d % 2 != 0)
            config.Conflict($"head_dim {headDim} times partial_rotary_factor {ConfigReader.Show(result.PartialRotaryFactor)} gives {d} rotary dimensions; accepted: even, from 2", "head_dim", "hidden_size", "num_attention_heads");
        if (rope is null || kind == RopeKind.Default)
            return result;
        if (kind == RopeKind.Dynamic && d < 4)
            config.Conflict($"{key}: dynamic scaling needs at least 4 rotary dimensions, here {d}");
        return result.ReadScaling(rope, d, original is not null);
    }

    /// <summary>Writes <c>rope_parameters</c>.</summary>
    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("rope_parameters");
        json.WriteNumber("rope_theta", Theta);
        json.WriteString("rope_type", Kinds.First(x => x.Value == Kind).Name);
        if (PartialRotaryFactor != 1)
            json.WriteNumber("partial_rotary_factor", PartialRotaryFactor);
        WriteIf(json, "factor", Factor);
        if (Kind is RopeKind.Llama3 or RopeKind.Yarn || Kind == RopeKind.LongRope && Factor is null)
            json.WriteNumber("original_max_position_embeddings", OriginalMaxPositions);
        if (Kind == RopeKind.Llama3)
        {
            json.WriteNumber("low_freq_factor", LowFreqFactor);
            json.WriteNumber("high_freq_factor", HighFreqFactor);
        }
        else if (Kind == RopeKind.Yarn)
        {
            json.WriteNumber("beta_fast", BetaFast);
            json.WriteNumber("beta_slow", BetaSlow);
            if (!Truncate)
                json.WriteBoolean("truncate", false);
        }

        WriteIf(json, "mscale", Mscale);
        WriteIf(json, "mscale_all_dim", MscaleAllDim);
        WriteIf(json, "attention_factor", AttentionFactor);
        WriteIf(json, "short_factor", ShortFactor);
        WriteIf(json, "long_factor", LongFactor);
        json.WriteEndObject();
    }

    private static void WriteIf(Utf8JsonWriter json, string key, double? value)
    {
        if (value is not null)
            json.WriteNumber(key, value.Value);
    }

    private static void WriteIf(Utf8JsonWriter json, string key, IReadOnlyList<double> values)
    {
        if (values.Count == 0)
            return;
        json.WriteStartArray(key);
        foreach (var value in values)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    private RopeConfig ReadScaling(ConfigReader rope, int rotaryDim, bool hasOriginal)
    {
        var factor = rope.OptionalNumber("factor", 1, MaxFactor);
        if (factor is null && !rope.Has("factor") && Kind != RopeKind.LongRope)
            rope.Missing("factor", $"a number from 1 to {ConfigReader.Show(MaxFactor)}");
        switch (Kind)
        {
            case RopeKind.Llama3:
                var low = rope.Number("low_freq_factor", 1e-6, MaxFactor, 1);
                var high = rope.Number("high_freq_factor", 1e-6, MaxFactor, 4);
                if (!(high > low))
                    rope.Conflict($"low_freq_factor {ConfigReader.Show(low)} and high_freq_factor {ConfigReader.Show(high)}; accepted: the second above the first");
                if (!hasOriginal)
                    rope.Missing("original_max_position_embeddings", "a whole number from 1");
                return this with { Factor = factor, LowFreqFactor = low, HighFreqFactor = high };
            case RopeKind.Yarn:
                return this with
                {
                    Factor = factor,
                    BetaFast = rope.Number("beta_fast", 1e-6, MaxFactor, 32),
                    BetaSlow = rope.Number("beta_slow", 1e-6, MaxFactor, 1),
                    Truncate = rope.Bool("truncate", true),
                    Mscale = rope.OptionalNumber("mscale", 0, MaxFactor),
                    MscaleAllDim = rope.OptionalNumber("mscale_all_dim", 0, MaxFactor),
                    AttentionFactor = rope.OptionalNumber("attention_factor", 1e-6, MaxFactor),
                };
            case RopeKind.LongRope:
                if (!hasOriginal && factor is null)
                    rope.Missing("original_max_position_embeddings", "a whole number from 1 (or factor)");
                return this with
                {
                    Factor = hasOriginal ? null : factor,
                    AttentionFactor = rope.OptionalNumber("attention_factor", 1e-6, MaxFactor),
                    ShortFactor = Factors(rope, "short_factor", rotaryDim / 2),
                    LongFactor = Factors(rope, "long_factor", rotaryDim / 2),
                };
            default:
                return this with { Factor = factor };
        }
    }

    private static double[] Factors(ConfigReader rope, string key, int count)
    {
        var values = rope.Numbers(key, 1e-6, MaxFactor, 1 << 16);
        if (values?.Length == count)
            return values;
        if (values is not null)
            rope.Conflict($"{key}: {values.Length} numbers; accepted: {count}, half the rotary dimensions");
        else if (!rope.Has(key))
            rope.Missing(key, $"{count} numbers, half the rotary dimensions");
        return [];
    }
}
