using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Xunit;

namespace Tandem.Training.Tests;

public sealed class OptimizerConfigTests
{
    [Fact]
    public void Keys_are_described() => ConfigText.Check(OptimizerConfig.Keys);

    [Fact]
    public void Defaults_are_adamw_in_f32()
    {
        OptimizerConfig config = Read("{}");
        Assert.Equal(new AdamW(0.9, 0.999, 1e-8, 0), config.Optimizer);
        Assert.Equal((1, DType.F32, null, null), (config.MaxGradientNorm, config.WeightType, config.LossScaler, config.Update.Ema));
        Assert.Same(ParameterGroup.Default, config.Update.Groups);
    }

    [Fact]
    public void Every_optimizer_is_made_with_its_keys()
    {
        Assert.Equal(new Adam(0.8, 0.9, 1e-6, 0.1), Read("""{ "optim": "adam", "adam_beta1": 0.8, "adam_beta2": 0.9, "adam_epsilon": 1e-6, "weight_decay": 0.1 }""").Optimizer);
        Assert.Equal(new Sgd(0.9, true, 0, 0), Read("""{ "optim": "sgd", "momentum": 0.9, "nesterov": true }""").Optimizer);
        Assert.Equal(new Lion(0.9, 0.99, 0), Read("""{ "optim": "lion" }""").Optimizer);
        Assert.Equal(new Adafactor(-0.8, 1e-30, 1e-3, 1, 0) { RelativeStep = true, ScaleParameter = true }, Read("""{ "optim": "adafactor", "adafactor_relative_step": true, "adafactor_scale_parameter": true }""").Optimizer);
        Assert.Equal(
            new Muon(0.95, true, 0.1) { Adjust = MuonAdjust.MatchAdamW, Others = new AdamW(0.9, 0.95, 1e-8, 0.1) { LearningRateFactor = 0.1 } },
            Read("""{ "optim": "muon", "weight_decay": 0.1, "muon_adjust_lr": "match_rms_adamw", "muon_others_lr_factor": 0.1 }""").Optimizer);
    }

    [Fact]
    public void Precision_averages_and_groups_are_read()
    {
        OptimizerConfig half = Read("""{ "fp16": true, "fp16_initial_scale": 1024, "fp16_growth_interval": 10, "ema_decay": 0.99, "ema_warmup": true, "max_grad_norm": 0 }""");
        Assert.Equal(new LossScalerOptions { InitialScale = 1024, GrowthInterval = 10 }, half.LossScaler);
        Assert.Equal((DType.F16, new Ema(0.99, true), 0), (half.WeightType, half.Update.Ema!, half.MaxGradientNorm));
        OptimizerConfig stochastic = Read("""{ "bf16": true, "stochastic_rounding": true, "weight_decay_exclude": ["embed"] }""");
        Assert.Equal((DType.BF16, 7ul), (stochastic.WeightType, stochastic.Optimizer.StochasticRounding!.Value));
        var builder = new GraphBuilder("g");
        Value embedding = builder.Parameter("model.embed_tokens.weight", new TensorType(DType.F32, RowSymbol.None, 4, 4)), other = builder.Parameter("q.weight", embedding.Type);
        Assert.Equal("undecayed", stochastic.Update.Groups.First(g => g.Has(embedding)).Name);
        Assert.DoesNotContain(stochastic.Update.Groups, g => g.Has(other));
    }

    [Fact]
    public void All_mistakes_are_reported_at_once()
    {
        string message = ConfigText.Mistakes(
            """{ "optim": "sgd", "nesterov": true, "adam_beta1": 2, "bf16": true, "fp16": true, "fp16_initial_scale": 1000, "weight_decay": -1, "adafactor_warmup_init": true, "stochastic_rounding": 3 }""",
            r => OptimizerConfig.Read(r, 7));
        foreach (string part in (string[])["nesterov", "adam_beta1: 2; accepted: a number from 0 to 1", "bf16 and fp16", "a power of two", "weight_decay", "adafactor_relative_step", "stochastic_rounding"])
            Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Contains("adamw, adam, sgd, lion, adafactor, muon", ConfigText.Mistakes("""{ "optim": "adamax" }""", r => OptimizerConfig.Read(r, 7)), StringComparison.Ordinal);
        Assert.Contains("bf16 true", ConfigText.Mistakes("""{ "stochastic_rounding": true }""", r => OptimizerConfig.Read(r, 7)), StringComparison.Ordinal);
    }

    private static OptimizerConfig Read(string json)
    {
        Models.ConfigReader reader = ConfigText.Reader(json);
        OptimizerConfig config = OptimizerConfig.Read(reader, 7);
        reader.ThrowIfMistaken();
        return config;
    }
}
