using System.Text.Json;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Xunit;

namespace Tandem.Training.Tests;

public sealed class LossScalerTests
{
    [Fact]
    public void The_scale_and_the_weights_follow_those_of_torch()
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
        using var run = new ThreeWeights(new AdamW(0.9, 0.999, 1e-8, 0));
        foreach (JsonElement step in golden.GetProperty("trace").EnumerateArray())
        {
            string grads = step.GetProperty("grads").GetString()!;
            Assert.Equal(step.GetProperty("scale_used").GetDouble(), scaler.Scale);
            float middle = grads switch { "inf" => float.PositiveInfinity, "nan" => float.NaN, _ => -2 * (float)scaler.Scale };
            bool overflowed = run.Step(0.1, 1 / scaler.Scale, (float)scaler.Scale, middle, 0.5f * (float)scaler.Scale);
            Assert.Equal(grads != "ok", overflowed);
            scaler.Update(overflowed);
            Assert.Equal(step.GetProperty("adam_step_count_after").GetInt32(), run.Steps);
            double[] wanted = [.. step.GetProperty("param_after").EnumerateArray().Select(p => p.GetDouble())];
            Assert.All(wanted.Zip(run.Weights), pair => Assert.Equal(pair.First, pair.Second, 2e-6));
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

    /// <summary>A vector of three weights with an optimizer: a step is taken only if its gradient is finite.</summary>
    private sealed unsafe class ThreeWeights : IDisposable
    {
        private static readonly StepSizes s_sizes = new(1, 1, 1, 1);

        private readonly ThreadTeam _team = new(1);
        private readonly CpuInstance _instance;

        public ThreeWeights(OptimizerOp optimizer)
        {
            var builder = new GraphBuilder("three");
            var type = new TensorType(DType.F32, RowSymbol.None, 3);
            builder.Parameter("w", type);
            builder.State(GradientBuilder.AccumulatorName("w"), type);
            _instance = new CpuInstance(Plan.Compile(AddOptimizer.Run(builder.Build(), optimizer), s_sizes, CpuBackend.Instance, 1), _team);
        }

        public int Steps { get; private set; }

        public float[] Weights => new Span<float>(_instance["w"], 3).ToArray();

        public bool Step(double lr, double scale, params ReadOnlySpan<float> gradient)
        {
            gradient.CopyTo(new Span<float>(_instance[GradientBuilder.AccumulatorName("w")], 3));
            _instance.Run(Stage.Reduce, default, s_sizes);
            if (*(int*)_instance.Output(AddOptimizer.FirstBad) >= 0) return true;
            double* hyper = (double*)_instance[AddOptimizer.Hyper];
            hyper[OptimizerOp.LearningRate] = lr;
            hyper[OptimizerOp.GradientScale] = scale;
            hyper[OptimizerOp.StepNumber] = ++Steps;
            _instance.Run(Stage.Update, default, s_sizes);
            return false;
        }

        public void Dispose()
        {
            _instance.Dispose();
            _team.Dispose();
        }
    }
}
