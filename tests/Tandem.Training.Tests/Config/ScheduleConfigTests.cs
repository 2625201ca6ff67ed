using Xunit;

namespace Tandem.Training.Tests;

public sealed class ScheduleConfigTests
{
    [Fact]
    public void Keys_are_described() => ConfigText.Check(ScheduleConfig.Keys);

    [Fact]
    public void Defaults_are_a_cosine_over_all_steps() => Assert.Equal(new CosineSchedule(5e-5, 0, 0, 300), Read("{}"));

    [Fact]
    public void Every_type_is_made_with_its_keys()
    {
        Assert.Equal(new ConstantSchedule(1, 5), Read("""{ "lr_scheduler_type": "constant_with_warmup", "learning_rate": 1, "warmup_steps": 5 }"""));
        Assert.Equal(new LinearSchedule(1, 0.5, 30, 300), Read("""{ "lr_scheduler_type": "linear", "learning_rate": 1, "min_learning_rate": 0.5, "warmup_ratio": 0.1 }"""));
        Assert.Equal(new CosineSchedule(1, 0.5, 0, 100), Read("""{ "lr_scheduler_type": "cosine_with_min_lr", "learning_rate": 1, "min_learning_rate": 0.5, "lr_decay_steps": 100 }"""));
        Assert.Equal(new CosineRestartsSchedule(1, 0, 0, 300, 3), Read("""{ "lr_scheduler_type": "cosine_with_restarts", "learning_rate": 1, "lr_num_cycles": 3 }"""));
        Assert.Equal(new PolynomialSchedule(1, 0, 0, 300, 2), Read("""{ "lr_scheduler_type": "polynomial", "learning_rate": 1, "lr_power": 2 }"""));
        Assert.Equal(new InverseSqrtSchedule(1, 500, 7), Read("""{ "lr_scheduler_type": "inverse_sqrt", "learning_rate": 1, "warmup_steps": 500, "lr_timescale": 7 }"""));
        Assert.Equal(new WsdSchedule(1, 0, 10, 260, 30), Read("""{ "lr_scheduler_type": "warmup_stable_decay", "learning_rate": 1, "warmup_steps": 10 }"""));
        Assert.Equal(
            new WsdSchedule(1, 0, 0, 200, 100) { DecayShape = DecayShape.OneMinusSqrt },
            Read("""{ "lr_scheduler_type": "warmup_stable_decay", "learning_rate": 1, "lr_wsd_decay_steps": 100, "lr_wsd_decay_type": "1-sqrt" }"""));
    }

    [Fact]
    public void All_mistakes_are_reported_at_once()
    {
        string message = ConfigText.Mistakes(
            """{ "learning_rate": "NaN", "lr_scheduler_type": "cosinus", "warmup_steps": 400, "warmup_ratio": 0.1, "lr_power": -1, "min_learning_rate": 3 }""",
            r => ScheduleConfig.Read(r, 300));
        foreach (string part in (string[])["learning_rate: \"NaN\"; accepted: a number from 0 to 100", "lr_scheduler_type", "inverse_sqrt", "one of them", "lr_power", "accepted: 0 to 300", "min_learning_rate 3"])
            Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Contains("lr_wsd_decay_steps", ConfigText.Mistakes("""{ "lr_scheduler_type": "warmup_stable_decay", "lr_wsd_decay_steps": 301 }""", r => ScheduleConfig.Read(r, 300)), StringComparison.Ordinal);
    }

    private static LearningRateSchedule Read(string json)
    {
        Models.ConfigReader reader = ConfigText.Reader(json);
        LearningRateSchedule schedule = ScheduleConfig.Read(reader, 300);
        reader.ThrowIfMistaken();
        return schedule;
    }
}
