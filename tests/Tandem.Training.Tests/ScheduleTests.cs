using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>The schedules against transformers' own, and what holds for all of them.</summary>
public sealed class ScheduleTests
{
    private static readonly JsonElement s_goldens = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "goldens", "schedules.json"))).RootElement;

    public static TheoryData<string> Names => [.. s_goldens.EnumerateObject().Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_are_those_of_transformers(string name)
    {
        JsonElement golden = s_goldens.GetProperty(name);
        LearningRateSchedule schedule = Make(golden);
        int step = 0;
        foreach (JsonElement rate in golden.GetProperty("lr").EnumerateArray()) Assert.Equal(rate.GetDouble(), schedule.At(step++), 1e-12 * schedule.Peak);
    }

    [Fact]
    public void A_cosine_stays_at_its_end_unless_told_otherwise()
    {
        var schedule = new CosineSchedule(1, 0.1, 10, 90);
        Assert.Equal(0.1, schedule.At(90), 1e-15);
        Assert.Equal(0.1, schedule.At(500), 1e-15);
        Assert.True((schedule with { HoldsAtEnd = false }).At(120) > 0.2);
    }

    [Fact]
    public void The_first_step_is_of_use_and_no_rate_leaves_its_range() =>
        Gen.Select(Gen.Int[0, 50], Gen.Int[1, 200], Gen.Double[0, 1]).Sample((warmup, length, minimum) =>
        {
            int total = warmup + length;
            LearningRateSchedule[] schedules =
            [
                new ConstantSchedule(1, warmup), new LinearSchedule(1, minimum, warmup, total), new CosineSchedule(1, minimum, warmup, total),
                new CosineRestartsSchedule(1, minimum, warmup, total, 3), new PolynomialSchedule(1, minimum, warmup, total, 1.5), new InverseSqrtSchedule(1, warmup),
                new WsdSchedule(1, minimum, warmup, length / 2, length - (length / 2)) { DecayShape = DecayShape.OneMinusSqrt, WarmupShape = DecayShape.Cosine },
            ];
            foreach (LearningRateSchedule schedule in schedules)
            {
                for (int step = 1; step <= total + 5; step++)
                {
                    double rate = schedule.At(step);
                    Assert.InRange(rate, step < warmup || schedule is InverseSqrtSchedule ? 0 : schedule is ConstantSchedule ? 1 : minimum - 1e-12, 1 + 1e-12);
                }

                Assert.Equal(1, schedule.At(warmup), 1e-12);
                Assert.True(schedule.At(1) > 0 || total == 1, $"{schedule}");
            }
        });

    private static LearningRateSchedule Make(JsonElement golden)
    {
        JsonElement options = golden.GetProperty("options");
        double Get(string key, double otherwise) => options.TryGetProperty(key, out JsonElement value) ? value.GetDouble() : otherwise;
        double peak = golden.GetProperty("base_lr").GetDouble();
        long warmup = (long)Get("num_warmup_steps", 0), total = (long)Get("num_training_steps", 0);
        return golden.GetProperty("function").GetString() switch
        {
            "get_constant_schedule" or "get_constant_schedule_with_warmup" => new ConstantSchedule(peak, warmup),
            "get_linear_schedule_with_warmup" => new LinearSchedule(peak, 0, warmup, total),
            "get_cosine_schedule_with_warmup" => new CosineSchedule(peak, 0, warmup, total) { HoldsAtEnd = false },
            "get_cosine_with_min_lr_schedule_with_warmup" => new CosineSchedule(peak, peak * Get("min_lr_rate", 0), warmup, total) { HoldsAtEnd = false },
            "get_cosine_with_hard_restarts_schedule_with_warmup" => new CosineRestartsSchedule(peak, 0, warmup, total, Get("num_cycles", 1)),
            "get_polynomial_decay_schedule_with_warmup" => new PolynomialSchedule(peak, Get("lr_end", 1e-7), warmup, total, Get("power", 1)),
            "get_inverse_sqrt_schedule" => new InverseSqrtSchedule(peak, warmup, (long)Get("timescale", 0)),
            "get_wsd_schedule" => new WsdSchedule(peak, peak * Get("min_lr_ratio", 0), warmup, (long)Get("num_stable_steps", 0), (long)Get("num_decay_steps", 0)),
            string other => throw new NotSupportedException(other),
            null => throw new NotSupportedException("a schedule without a function"),
        };
    }
}
