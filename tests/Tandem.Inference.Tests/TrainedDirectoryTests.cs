using Tandem.Training;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>What a training run writes generates with the log-probabilities of the trainer, bit for bit.</summary>
public sealed class TrainedDirectoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tandem-trained-").FullName;

    [Fact]
    public void A_trained_directory_speaks_as_its_trainer_would()
    {
        string text = Path.Combine(_folder, "text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 400).Select(i => $"The number {i} follows {i - 1}. ")));
        TrainConfig config = TrainConfig.Parse($$"""
            { "output_dir": "{{Path.Combine(_folder, "run")}}", "max_steps": 6, "per_device_train_batch_size": 2, "learning_rate": 1e-2,
              "tokenizer": { "vocab_size": 300 }, "data": { "train_file": "{{text}}", "validation_fraction": 0.1, "sequence_length": 32 },
              "model": { "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                         "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": true } }
            """);
        using var run = new TrainingRun(config);
        for (int i = 0; i < 6; i++) run.Step();
        string saved = run.Save();

        using Generator generator = Generator.Load(saved, threads: 2);
        Completion completion = generator.Generate(
            "The number 17", new SamplingOptions { MaxTokens = 40, Seed = 9, IgnoreEos = true, PromptLogProbs = true }, cancel: TestContext.Current.CancellationToken);
        int[] tokens = [.. completion.PromptTokens, .. completion.Tokens.Select(t => t.Id)];
        Assert.True(tokens.Length < 64, $"{tokens.Length} tokens are more than a step of the run");

        run.Trainer.Batch.Clear();
        run.Trainer.Batch.AddDocument(tokens, [.. tokens[1..], -100]);
        run.Trainer.Accumulate();
        float[] trained = [.. run.Trainer.TokenLosses[..(tokens.Length - 1)].ToArray().Select(loss => -loss)];
        float[] served = [.. completion.PromptLogProbs, .. completion.Tokens.Select(t => t.LogProb)];
        Assert.Equal(trained, served);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
