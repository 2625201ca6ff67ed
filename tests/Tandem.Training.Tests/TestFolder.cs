using Tandem.Models;

namespace Tandem.Training.Tests;

/// <summary>A folder of a test's own, and the small texts, tokenizers and configs that tests train with.</summary>
internal sealed class TestFolder : IDisposable
{
    public const string Model = """
        { "model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
          "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": true }
        """;

    private static readonly Lazy<Tokenizer> s_tokenizer = new(() =>
    {
        var trainer = new BpeTrainer();
        trainer.Add(Text(50));
        return trainer.Train(320, ["<|endoftext|>"]);
    });

    public TestFolder() => Path = Directory.CreateTempSubdirectory("tandem-training-").FullName;

    public string Path { get; }

    public static Tokenizer Tokenizer => s_tokenizer.Value;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public static string Text(int sentences) => string.Concat(Enumerable.Range(0, sentences).Select(i => $"The number {i} follows {i - 1}, naïvely. "));

    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    /// <summary>A run of 8 steps on a small text; <paramref name="overrides"/> as on the command line.</summary>
    public TrainConfig Config(string name, params string[] overrides)
    {
        string text = this[name + ".txt"], config = this[name + ".json"];
        if (!File.Exists(text)) File.WriteAllText(text, Text(300));
        File.WriteAllText(config, $$"""
            { "output_dir": {{Json(this[name])}}, "max_steps": 8, "per_device_train_batch_size": 2, "learning_rate": 1e-2, "lr_decay_steps": 20, "threads": 2, "save_steps": 2,
              "tokenizer": { "vocab_size": 300 }, "data": { "train_file": {{Json(text)}}, "validation_fraction": 0.1, "sequence_length": 32 }, "model": {{Model}} }
            """);
        return TrainConfig.Load(config, overrides);
    }

    public static string Json(string text) => System.Text.Json.JsonSerializer.Serialize(text);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
