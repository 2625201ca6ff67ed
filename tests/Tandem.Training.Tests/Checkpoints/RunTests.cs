using System.Text.Json;
using Tandem.Models;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>A run with everything around its steps: resume, damage, failures to write, evaluation, early stop, best checkpoint, metrics.</summary>
public sealed class RunTests : IDisposable
{
    private readonly TestFolder _folder = new();

    [Theory]
    [InlineData]
    [InlineData("optim=muon", "ema_decay=0.9", "gradient_accumulation_steps=3")]
    [InlineData("optim=adafactor", "adafactor_beta1=0.9", "data.packing=windows")]
    [InlineData("optim=lion", "data.packing=random", "save_in_background=false")]
    public void A_run_that_is_stopped_and_goes_on_ends_with_the_same_bits(params string[] overrides)
    {
        byte[][] through = Train(_folder.Config("a", overrides));
        Train(_folder.Config("b", [.. overrides, "max_steps=3"]));
        Train(_folder.Config("b", [.. overrides, "max_steps=5"]));
        Assert.Equal(through, Train(_folder.Config("b", overrides)));
    }

    [Fact]
    public void The_split_into_microbatches_changes_no_sample()
    {
        // The same samples in a step; sums over tokens in other groups, so equal to rounding.
        double[] one = Losses(_folder.Config("a", "per_device_train_batch_size=6")), two = Losses(_folder.Config("b", "per_device_train_batch_size=2", "gradient_accumulation_steps=3"));
        Assert.All(one.Zip(two), p => Assert.InRange(Math.Abs(p.First - p.Second) / p.First, 0, 1e-4));
        using JsonDocument state = State("b");
        Assert.Equal(48, state.RootElement.GetProperty("samples").GetInt64());
    }

    [Fact]
    public void A_damaged_checkpoint_is_named_and_the_one_before_is_used()
    {
        byte[][] through = Train(_folder.Config("a", "save_total_limit=3"));
        foreach (string file in (string[])["model.safetensors", "optimizer.safetensors", "trainer_state.json", "tokenizer.json"])
        {
            string path = Path.Combine(_folder["a"], "step-8", file);
            using (FileStream stream = File.OpenWrite(path)) stream.SetLength(stream.Length / 2);
            using (var run = new TrainingRun(_folder.Config("a", "save_total_limit=3")))
            {
                Assert.Equal(6, run.Trainer.Step);
                Assert.Contains(run.Warnings, w => w.Contains("step-8", StringComparison.Ordinal) && w.Contains(file, StringComparison.Ordinal) && w.Contains("step-6", StringComparison.Ordinal));
            }

            Assert.Equal(through, Train(_folder.Config("a", "save_total_limit=3")));
        }

        string weights = Path.Combine(_folder["a"], "step-8", "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        bytes[^5] ^= 1;
        File.WriteAllBytes(weights, bytes);
        using (var run = new TrainingRun(_folder.Config("a", "save_total_limit=3"))) Assert.Contains(run.Warnings, w => w.Contains("checksum", StringComparison.Ordinal));
        foreach (string step in Directory.GetDirectories(_folder["a"], "step-*")) File.Delete(Path.Combine(step, "config.json"));
        Assert.Contains("no checkpoint of", Assert.Throws<TandemException>(() => new TrainingRun(_folder.Config("a"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_written_stops_the_run_or_is_reported()
    {
        // A file in the place of the folder that a checkpoint is written into: no rights are needed, or would help.
        TrainConfig config = _folder.Config("a", "save_in_background=true");
        Directory.CreateDirectory(config.OutputDir);
        File.WriteAllText(Path.Combine(config.OutputDir, "step-4.partial"), "in the way");
        TandemException error = Assert.Throws<TandemException>(() => Train(config));
        Assert.Contains("cannot save checkpoint", error.Message, StringComparison.Ordinal);
        Assert.Contains("step-4", error.Message, StringComparison.Ordinal);
        using (var resumed = new TrainingRun(config)) Assert.Equal(2, resumed.Trainer.Step);

        var warnings = new List<string>();
        using var run = new TrainingRun(_folder.Config("a", "stop_on_save_error=false"));
        using var loop = new TrainingLoop(run, new TrainingEvents { Warned = warnings.Add });
        Assert.Equal(RunEnd.Finished, loop.Run(TestContext.Current.CancellationToken));
        Assert.Contains(warnings, w => w.Contains("step-4", StringComparison.Ordinal));
        Assert.EndsWith("step-8", TrainerCheckpoint.Newest(config.OutputDir), StringComparison.Ordinal);
    }

    [Fact]
    public void Evaluation_stops_early_and_keeps_the_best()
    {
        // A rate that makes it worse after a while.
        TrainConfig config = _folder.Config("a", "max_steps=60", "eval_steps=2", "early_stopping_patience=2", "learning_rate=0.1", "lr_scheduler_type=constant", "save_total_limit=1", "save_steps=1000", "data.validation_split=documents", $"data.validation_files=[{TestFolder.Json(_folder.Write("v.txt", TestFolder.Text(40)))}]", "data.validation_fraction=0");
        var seen = new List<(long Step, double Loss)>();
        using (var run = new TrainingRun(config))
        using (var loop = new TrainingLoop(run, new TrainingEvents { Stepped = r => { if (r.Evaluation is { } e) seen.Add((r.Result.Step, e.Loss)); } }))
            Assert.Equal(RunEnd.EarlyStopped, loop.Run(TestContext.Current.CancellationToken));
        (long bestStep, double bestLoss) = seen.MinBy(s => s.Loss);
        Assert.Equal(bestStep + 4, seen[^1].Step);
        Assert.Equal([$"step-{bestStep}", $"step-{seen[^1].Step}"], Checkpoints("a"));
        using JsonDocument state = State("a");
        Assert.Equal((bestLoss, bestStep, 2), (state.RootElement.GetProperty("best_loss").GetDouble(), state.RootElement.GetProperty("best_step").GetInt64(), state.RootElement.GetProperty("worse_evaluations").GetInt32()));

        // Started again, it is still stopped.
        using var again = new TrainingRun(config);
        using var more = new TrainingLoop(again, new TrainingEvents());
        Assert.Equal(RunEnd.EarlyStopped, more.Run(TestContext.Current.CancellationToken));
        Assert.Equal(seen[^1].Step, again.Trainer.Step);
    }

    [Fact]
    public void Metrics_have_one_line_a_step_also_after_a_stop()
    {
        TrainConfig config = _folder.Config("a", "eval_steps=4", "samples.prompts=[\"The\"]", "samples.steps=3");
        var events = new TrainingEvents { Generate = s => [.. s.Prompts.Select(p => $"{p} & <so on>")] };
        using (var run = new TrainingRun(config))
        using (var loop = new TrainingLoop(run, events with { Stepped = r => { if (r.Result.Step == 5) throw new OperationCanceledException(); } }))
            Assert.Throws<OperationCanceledException>(() => loop.Run(TestContext.Current.CancellationToken));
        Assert.Equal([1, 2, 3, 4, 5], Steps("metrics.jsonl"));
        File.AppendAllText(Path.Combine(config.OutputDir, "metrics.jsonl"), "{\"step\": 6, \"torn");
        using (var run = new TrainingRun(config))
        using (var loop = new TrainingLoop(run, events))
        {
            Assert.Equal(4, run.Trainer.Step);
            Assert.Equal([1, 2, 3, 4], Steps("metrics.jsonl"));
            Assert.Equal(RunEnd.Finished, loop.Run(TestContext.Current.CancellationToken));
        }

        JsonElement[] lines = [.. MetricsLog.ReadLines(Path.Combine(config.OutputDir, "metrics.jsonl"))];
        Assert.Equal(Enumerable.Range(1, 8), Steps("metrics.jsonl"));
        Assert.Equal([4, 8], lines.Where(l => l.TryGetProperty("eval_loss", out _)).Select(l => l.GetProperty("step").GetInt32()));
        foreach (string key in (string[])["loss", "lr", "grad_norm", "clip", "tokens", "tokens_per_second", "samples"]) Assert.All(lines, l => Assert.True(l.GetProperty(key).GetDouble() > 0));
        Assert.Equal([3, 6, 8], Steps("samples.jsonl"));

        string html = File.ReadAllText(Path.Combine(config.OutputDir, "report.html"));
        foreach (string part in (string[])["<svg", "learning rate", "norm of the gradient", "&amp; &lt;so on&gt;", "prefers-color-scheme: dark", "bits a byte", "&quot;max_steps&quot;: 8"]) Assert.Contains(part, html, StringComparison.Ordinal);
        foreach (string foreign in (string[])["<script", "http:", "https:", "src=", "@import", "url("]) Assert.DoesNotContain(foreign, html, StringComparison.Ordinal);
        Assert.Equal(2, Directory.GetFiles(Path.Combine(config.OutputDir, "tensorboard")).Length);
    }

    [Fact]
    public void Averages_are_saved_as_a_model_of_their_own()
    {
        TrainConfig config = _folder.Config("a", "ema_decay=0.5");
        using var run = new TrainingRun(config);
        for (int i = 0; i < 3; i++) run.Step();
        string saved = run.Save();
        using Model averages = Model.Load(Path.Combine(saved, "ema")), weights = Model.Load(saved);
        foreach (string name in weights.WeightNames)
        {
            Assert.Equal(run.Trainer.Average(name), averages.Get(name));
            Assert.Equal(run.Trainer.Model.Get(name), weights.Get(name));
        }
    }

    [Fact]
    public void Stores_and_texts_blend_and_end_tokens_end_documents()
    {
        TrainConfig first = _folder.Config("a", "max_steps=1");
        Train(first);
        string tokenizer = Path.Combine(_folder["a"], "step-1", "tokenizer.json");
        string lines = _folder.Write("l.jsonl", string.Concat(Enumerable.Range(0, 60).Select(i => $"{{\"text\": \"line number {i}\"}}\n")));
        using (TokenStoreBuilder builder = TokenStoreBuilder.Start(_folder["s"], TextInputs.Find([lines]), new TokenStoreOptions { Tokenizer = TokenizerJson.Load(tokenizer), EndToken = 0 })) builder.Run(cancel: TestContext.Current.CancellationToken);
        string data = $$"""data={"train_file": {{TestFolder.Json(_folder["a.txt"])}}, "stores": [{{TestFolder.Json(_folder["s"])}}], "weights": [1, 3], "sequence_length": 32, "validation_fraction": 0.2, "validation_split": "documents"}""";
        TrainConfig config = _folder.Config("b", data, $$"""tokenizer={"path": {{TestFolder.Json(tokenizer)}} }""");
        using var run = new TrainingRun(config);
        Assert.Equal(0, run.Data.EndToken);
        Assert.Equal([0], run.Trainer.Model.Config.EosTokenIds);
        Assert.Equal([0, 1, 1, 1], Enumerable.Range(1, 4).Select(i => run.Data.Blend.Place(i).Source));
        Assert.InRange(run.Evaluate().Loss, 4, 8);
        Assert.True(run.Step().Valid > 0);
        Assert.Contains("another tokenizer", Assert.Throws<TandemException>(() => new TrainingRun(_folder.Config("c", data))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Changed_keys_and_data_are_warned_of()
    {
        Train(_folder.Config("a", "max_steps=2"));
        File.AppendAllText(_folder["a.txt"], TestFolder.Text(20));
        using var run = new TrainingRun(_folder.Config("a", "per_device_train_batch_size=4", "max_steps=9"));
        Assert.Contains(run.Warnings, w => w.Contains("per_device_train_batch_size is 4 and was 2", StringComparison.Ordinal) && !w.Contains("max_steps", StringComparison.Ordinal));
        Assert.Contains(run.Warnings, w => w.Contains("training data", StringComparison.Ordinal));
    }

    [Fact]
    public void What_cannot_be_trained_is_refused_with_its_name()
    {
        TrainConfig good = _folder.Config("a", "max_steps=1");
        Train(good);
        string model = TrainerCheckpoint.Newest(good.OutputDir)!;
        Refused("is not UTF-8: byte 0xff at 3", Text("x", [.. "abc"u8, 0xff]));
        Refused("is empty", Text("e", []));
        Refused("no such file", $"data.train_file={_folder["none.txt"]}");
        Refused("no such file", $$"""data={"stores": ["{{_folder["none"]}}"], "sequence_length": 32}""", $$"""tokenizer={"path": "{{Path.Combine(model, "tokenizer.json")}}"}""");
        Refused("is no token store", $$"""data={"stores": ["{{_folder["a.txt"]}}"], "sequence_length": 32}""", $$"""tokenizer={"path": "{{Path.Combine(model, "tokenizer.json")}}"}""");
        Refused("only token stores", $$"""data={"stores": ["{{_folder["a.txt"]}}"], "sequence_length": 32}""");
        Refused("longer than the model's max_position_embeddings; accepted: 2 to 256", $$"""model={"path": "{{model}}"}""", "data.sequence_length=512", "tokenizer=null");
        File.WriteAllText(_folder["file"], "no folder");
        Refused(_folder["file"], $"output_dir={_folder["file"]}");
        using var busy = new TrainingRun(good);
        Assert.Contains("in use by process", Assert.Throws<TandemException>(() => new TrainingRun(good)).Message, StringComparison.Ordinal);

        string Text(string name, byte[] bytes)
        {
            File.WriteAllBytes(_folder[name], bytes);
            return $"data.train_file={_folder[name]}";
        }

        void Refused(string part, params string[] overrides) =>
            Assert.Contains(part, Assert.Throws<TandemException>(() => new TrainingRun(_folder.Config("refused", overrides))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_state_of_a_run_reads_back()
    {
        var state = new RunState { Trainer = new TrainerState(7, 2, new LossScalerState(4096, 3)), Samples = 1L << 40, Tokens = 1L << 41, BestLoss = 0.1, BestStep = 5, WorseEvaluations = 1, Data = ulong.MaxValue, Config = "{ \"a\": 1 }" };
        File.WriteAllBytes(_folder["state"], state.Write());
        RunState read = RunState.Read(_folder["state"]);
        Assert.Equal(state with { Files = read.Files }, read);
        _folder.Write("state", "{ \"step\": 3 ");
        Assert.Contains("is no state of a run", Assert.Throws<TandemException>(() => RunState.Read(_folder["state"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_diverges_ends_with_the_reason()
    {
        TrainConfig config = _folder.Config("a");
        using var run = new TrainingRun(config);
        run.Trainer.Model.Set("model.norm.weight", [.. Enumerable.Repeat(float.PositiveInfinity, 32)]);
        using var loop = new TrainingLoop(run, new TrainingEvents());
        TandemException error = Assert.Throws<TandemException>(() => loop.Run(TestContext.Current.CancellationToken));
        Assert.Contains("steps in a row were skipped", error.Message, StringComparison.Ordinal);
        Assert.Empty(Checkpoints("a"));
    }

    public void Dispose() => _folder.Dispose();

    // Files of the last checkpoint that have tensors or counters.
    private static byte[][] Train(TrainConfig config)
    {
        using var run = new TrainingRun(config);
        using var loop = new TrainingLoop(run, new TrainingEvents());
        Assert.Equal(RunEnd.Finished, loop.Run(TestContext.Current.CancellationToken));
        string folder = TrainerCheckpoint.Newest(config.OutputDir)!;
        TrainerCheckpoint.Verify(folder);
        return [.. Directory.GetFiles(folder, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes), System.Text.Encoding.UTF8.GetBytes($"{run.State.Samples} {run.State.Tokens} {run.Trainer.State}")];
    }

    private static double[] Losses(TrainConfig config)
    {
        var losses = new List<double>();
        using var run = new TrainingRun(config);
        using var loop = new TrainingLoop(run, new TrainingEvents { Stepped = r => losses.Add(r.Result.Loss) });
        loop.Run(TestContext.Current.CancellationToken);
        return [.. losses];
    }

    private int[] Steps(string file) => [.. MetricsLog.ReadLines(Path.Combine(_folder["a"], file)).Select(l => l.GetProperty("step").GetInt32())];

    private string[] Checkpoints(string name) => [.. Directory.GetDirectories(_folder[name], "step-*").Select(f => Path.GetFileName(f)).OrderBy(f => int.Parse(f[5..], System.Globalization.CultureInfo.InvariantCulture))];

    private JsonDocument State(string name) => JsonDocument.Parse(File.ReadAllText(Path.Combine(TrainerCheckpoint.Newest(_folder[name])!, "trainer_state.json")));
}
