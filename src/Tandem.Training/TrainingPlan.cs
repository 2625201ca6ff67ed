using System.Globalization;
using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Passes;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>Compiles a model's training step, within a limit of memory if there is one.</summary>
public static class TrainingPlan
{
    /// <summary>Compiles. With a limit, the quickest choice of recomputation that fits is found by bisection over <see cref="Recomputation.Step"/>.</summary>
    /// <param name="config">The model.</param>
    /// <param name="options">Loss, optimizer, precision; with a limit its recomputation is chosen here.</param>
    /// <param name="bounds">The largest microbatch.</param>
    /// <param name="workers">Threads.</param>
    /// <param name="memoryLimit">Bytes of weights, state and activations; 0 is no limit.</param>
    /// <exception cref="TandemException">The step does not fit even if everything is recomputed.</exception>
    public static Plan Compile(ModelConfig config, TrainingGraph options, StepSizes bounds, int workers, long memoryLimit = 0)
    {
        Plan plan = Try(options.Recomputation);
        if (memoryLimit <= 0 || plan.TotalBytes <= memoryLimit) return plan;
        int blocks = RecomputeActivations.NumBlocks(plan.Graph), low = 0, high = Recomputation.Steps(blocks) - 1;
        Plan best = Try(Recomputation.Step(high, blocks));
        if (best.TotalBytes > memoryLimit)
        {
            throw new TandemException(string.Create(
                CultureInfo.InvariantCulture,
                $"a step of {bounds.Tokens} tokens takes {Mib(best.TotalBytes)} MiB with everything recomputed ({Mib(best.ParameterBytes + best.StateBytes)} MiB of it weights, gradients and optimizer state), the limit is {Mib(memoryLimit)} MiB; use fewer tokens a microbatch with more accumulation, or raise the limit"));
        }

        while (high - low > 1)
        {
            int middle = (low + high) / 2;
            Plan tried = Try(Recomputation.Step(middle, blocks));
            if (tried.TotalBytes <= memoryLimit) (high, best) = (middle, tried);
            else low = middle;
        }

        return best;

        Plan Try(Recomputation choice) => Plan.Compile(ModelGraphs.Train(config, options with { Recomputation = choice }), bounds, CpuBackend.Instance, workers);
    }

    private static string Mib(long bytes) => (bytes / 1048576.0).ToString("N0", CultureInfo.InvariantCulture);
}
