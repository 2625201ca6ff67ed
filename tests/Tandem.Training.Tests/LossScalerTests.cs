using System.Text.Json;
using Xunit;

namespace Tandem.Training.Tests;

public sealed class LossScalerTests
{
    [Fact]
    public void The_scale_follows_that_of_torch()
    {
        JsonElement golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "goldens", "loss_scaler.json"))).RootElement;
        JsonElement options = golden.GetProperty("options");
        var scaler = new LossScaler(new LossScalerOptions
        {
            InitialScale = options.GetProperty("init_scale").GetDouble(),
            GrowthFactor = options.GetProperty("growth_factor").GetDouble(),
            BackoffFactor = options.GetProperty("backoff_factor").GetDouble(),
            GrowthInterval = options.GetProperty("growth_interval").GetInt32(),
        });
        foreach (JsonElement step in golden.GetProperty("trace").EnumerateArray())
        {
            Assert.Equal(step.GetProperty("scale_used").GetDouble(), scaler.Scale);
            scaler.Update(step.GetProperty("grads").GetString() != "ok");
            Assert.Equal((step.GetProperty("scale_after").GetDouble(), step.GetProperty("growth_tracker_after").GetInt32()), (scaler.State.Scale, scaler.State.GoodSteps));
        }
    }

    [Fact]
    public void The_scale_stays_a_number_that_f32_holds()
    {
        var scaler = new LossScaler(new LossScalerOptions { GrowthInterval = 1 });
        for (int i = 0; i < 400; i++) scaler.Update(false);
        Assert.True(float.IsFinite((float)scaler.Scale));
        for (int i = 0; i < 400; i++) scaler.Update(true);
        Assert.True(float.IsNormal((float)scaler.Scale));
    }

    [Fact]
    public void Wrong_coefficients_are_named()
    {
        Assert.Contains("backoff factor 1; accepted: between 0 and 1", Assert.Throws<TandemException>(() => new LossScaler(new LossScalerOptions { BackoffFactor = 1 })).Message, StringComparison.Ordinal);
        Assert.Throws<TandemException>(() => new LossScaler(new LossScalerOptions { InitialScale = double.NaN }));
        Assert.Throws<TandemException>(() => new LossScaler(new LossScalerOptions { GrowthFactor = 0.5 }));
        Assert.Throws<TandemException>(() => new LossScaler(new LossScalerOptions { GrowthInterval = 0 }));
    }
}
