using Tandem.Models;
using Tandem.Training;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>A run from its config: mistakes, resume, and what the folder holds.</summary>
public sealed class TrainingRunTests : IDisposable
{
    private const string Model = """
        { "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
          "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": true }
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-run-").FullName;

    [Fact]
    public void All_mistakes_of_a_config_are_reported_at_once()
    {
        TandemException error = Assert.Throws<TandemException>(() => TrainConfig.Parse("""{ "learning_rte": 1, "max_steps": 0, "warmup_steps": "x", "data": { "sequence_length": 1 }, "model": {} }"""));
        foreach (string part in (string[])["learning_rte", "did you mean learning_rate?", "max_steps", "warmup_steps", "data.train_file", "data.sequence_length", "output_dir", "tokenizer"])
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_is_started_again_ends_with_the_same_bits()
    {
        float[] through = Weights(Config("a", 8));
        Weights(Config("b", 3));
        Assert.Equal(through, Weights(Config("b", 8)));
        using Model loaded = Tandem.Models.Model.Load(TrainerCheckpoint.Newest(Path.Combine(_folder, "b"))!);
        Assert.Equal(through, loaded.Get("model.embed_tokens.weight"));
    }

    [Fact]
    public void A_text_that_is_no_utf8_and_a_folder_in_use_are_refused()
    {
        TrainConfig config = Config("c", 1);
        using (var run = new TrainingRun(config))
        {
            Assert.Contains("c", Assert.Throws<TandemException>(() => new TrainingRun(config)).Message, StringComparison.Ordinal);
        }

        File.WriteAllBytes(config.Data.TrainFiles[0], [0x61, 0xff, 0x62]);
        Assert.Contains("0xff", Assert.Throws<TandemException>(() => new TrainingRun(config with { OutputDir = Path.Combine(_folder, "d") })).Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private TrainConfig Config(string name, int steps)
    {
        string text = Path.Combine(_folder, name + ".txt");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 400).Select(i => $"The number {i} follows {i - 1}. ")));
        string json = $$"""
            { "output_dir": "{{Path.Combine(_folder, name)}}", "max_steps": {{steps}}, "per_device_train_batch_size": 2, "learning_rate": 1e-2, "lr_decay_steps": 10,
              "tokenizer": { "vocab_size": 300 }, "data": { "train_file": "{{text}}", "validation_fraction": 0.1, "sequence_length": 32 }, "model": {{Model}} }
            """;
        return TrainConfig.Parse(json);
    }

    private static float[] Weights(TrainConfig config)
    {
        using var run = new TrainingRun(config);
        while (run.Trainer.Step < config.MaxSteps) run.Step();
        Assert.True(double.IsFinite(run.Evaluate().BitsPerByte));
        run.Save();
        return run.Trainer.Model.Get("model.embed_tokens.weight");
    }
}
