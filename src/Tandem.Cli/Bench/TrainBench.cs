using System.Globalization;
using System.Text.Json;
using Tandem.Cpu;
using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Models;
using Tandem.Training;

namespace Tandem.Cli.Bench;

/// <summary>Whole training steps (forward, backward, clip, AdamW) of known configurations: speed against OpenBLAS's products, memory against the plan.</summary>
internal static class TrainBench
{
    private const double Megabyte = 1e6;

    /// <summary>Most that the runtime itself may take beside the plan's memory.</summary>
    private const double RuntimeMegabytes = 150;

    /// <summary>Adds the rows of one configuration.</summary>
    public static void Run(BenchReport report, int index, int threads, int repetitions, bool profile, CancellationToken cancel)
    {
        TrainingShape shape = BenchModels.Training(index);
        MemoryFigures memory = MeasureInChild(index, threads);
        using (var team = new ThreadTeam(threads))
        using (var limits = new Limits(team))
        using (var run = new SteppedTraining(shape, team))
        {
            var step = new BenchCase($"config {index}", run.Step);
            BenchCase.RunInterleaved([.. limits.Cases, step], repetitions, cancel);
            limits.AddRows(report);
            report.Rows.Add(limits.RatioToPeak($"config {index}: training step", step, shape.Flops));
            report.Rows.Add(new BenchRow($"config {index}: tokens", shape.Tokens / step.Median, "tokens/s")
            {
                Spread = step.Spread,
                Limit = shape.TorchTokensPerSecond,
                LimitName = "PyTorch, as given",
                Ratio = shape.Tokens / step.Median / shape.TorchTokensPerSecond,
            });
            report.Rows.Add(new BenchRow($"config {index}: managed bytes a step", run.AllocatedBytesOfStep(), "bytes") { Limit = 0, LimitName = "none" });
            Recomputation again = run.Trainer.Recomputation;
            if (again != Recomputation.None)
                report.Notes.Add($"config {index}: to stay within {shape.MemoryLimit / Megabyte:N0} MB planned, {again.FullBlocks} blocks are recomputed, and of {again.CheapBlocks} all but products and attention");
            if (profile) report.Details.Add(ProfileTable.Of($"config {index}: time of one step by op", run.Step, p => run.Trainer.Profile = p, team.Workers, run.Trainer.Plan.Bounds, limits));
        }

        AddMemoryRows(report, index, shape, memory);
    }

    /// <summary>What a process that only trains needs: runs a few steps and prints it as JSON.</summary>
    public static void PrintMemory(int index, int threads)
    {
        long before = ProcessMemory.Resident;
        using var team = new ThreadTeam(threads);
        using var run = new SteppedTraining(BenchModels.Training(index), team);
        for (int i = 0; i < 3; i++) run.Step();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $$"""{"before": {{before}}, "peak": {{ProcessMemory.Peak}}, "plan": {{run.Trainer.Plan.TotalBytes}}}"""));
    }

    private static MemoryFigures MeasureInChild(int index, int threads)
    {
        string output = SelfProcess.Run("bench", "train", "--memory-of", index.ToString(CultureInfo.InvariantCulture), "--threads", threads.ToString(CultureInfo.InvariantCulture));
        using var json = JsonDocument.Parse(output);
        long Get(string name) => json.RootElement.GetProperty(name).GetInt64();
        return new MemoryFigures(Get("before"), Get("peak"), Get("plan"));
    }

    private static void AddMemoryRows(BenchReport report, int index, TrainingShape shape, MemoryFigures memory)
    {
        report.Rows.Add(new BenchRow($"config {index}: peak resident memory", memory.Peak / Megabyte, "MB")
        {
            Limit = shape.TorchPeakMegabytes,
            LimitName = string.Create(CultureInfo.InvariantCulture, $"PyTorch, as given (goal {shape.PeakShare})"),
            Ratio = memory.Peak / Megabyte / shape.TorchPeakMegabytes,
        });
        report.Rows.Add(new BenchRow($"config {index}: of it planned", memory.Plan / Megabyte, "MB"));
        report.Rows.Add(new BenchRow($"config {index}: of it the runtime's own", (memory.Peak - memory.Plan) / Megabyte, "MB")
        {
            Limit = RuntimeMegabytes,
            LimitName = "goal",
            Ratio = (memory.Peak - memory.Plan) / Megabyte / RuntimeMegabytes,
        });
        report.Rows.Add(new BenchRow($"config {index}: resident before the model is made", memory.Before / Megabyte, "MB"));
    }

    private readonly record struct MemoryFigures(long Before, long Peak, long Plan);
}

/// <summary>A trainer that takes the same step over and over: random weights, random tokens.</summary>
internal sealed class SteppedTraining : IDisposable
{
    private readonly Model _model;

    public SteppedTraining(TrainingShape shape, ThreadTeam team)
    {
        _model = BenchModels.Random(shape.Model);
        Trainer = new Trainer(_model, team, new TrainerOptions { MaxTokens = shape.Tokens, MaxDocuments = shape.Sequences, MemoryLimit = shape.MemoryLimit, Optimizer = new AdamW(0.9, 0.95, 1e-8, 0.1) });
        for (int i = 0; i < shape.Sequences; i++)
        {
            int[] tokens = RandomFill.Tokens(shape.Length + 1, shape.Model.VocabSize, (uint)i + 1);
            Trainer.Batch.AddDocument(tokens.AsSpan(0, shape.Length), tokens.AsSpan(1), i);
        }
    }

    /// <summary>The trainer.</summary>
    public Trainer Trainer { get; }

    /// <summary>Forward, backward, norm, clip, update.</summary>
    public void Step()
    {
        Trainer.Accumulate();
        Trainer.Update(1e-4);
    }

    /// <summary>Bytes that one more step allocates on the managed heap, over all threads.</summary>
    public long AllocatedBytesOfStep()
    {
        long before = GC.GetTotalAllocatedBytes(precise: true);
        Step();
        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }

    public void Dispose()
    {
        Trainer.Dispose();
        _model.Dispose();
    }
}
