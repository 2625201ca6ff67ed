using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>The config as a whole: one table of keys for reader, schema and documentation; all mistakes at once.</summary>
public sealed class TrainConfigTests
{
    private const string Minimal = $$"""{ "output_dir": "out", "max_steps": 10, "data": { "train_file": "t" }, "tokenizer": { "vocab_size": 300 }, "model": {{TestFolder.Model}} }""";

    [Fact]
    public void Keys_are_described()
    {
        foreach (ConfigSection section in TrainConfig.Sections) ConfigText.Check([.. section.Keys.Where(k => k.Type != "object")]);
        ConfigKey[] top = [.. TrainConfig.Sections.Where(s => s.Object.Length == 0).SelectMany(s => s.Keys)];
        Assert.Equal(top.Length, top.Select(k => k.Name).Distinct().Count());
        Assert.All(TrainConfig.Sections.Where(s => s.Object.Length > 0), s => Assert.Contains(top, k => k.Name == s.Object && k.Type == "object"));
    }

    [Fact]
    public void Every_key_is_read_and_its_default_in_the_table_is_the_readers()
    {
        // The reader itself throws when a key of its table was not asked for, or one that is not in it was.
        JsonObject full = JsonNode.Parse(Minimal)!.AsObject();
        foreach (ConfigSection section in TrainConfig.Sections)
        {
            if (section.Object.Length > 0 && full[section.Object] == null) full[section.Object] = new JsonObject();
            JsonObject target = section.Object.Length == 0 ? full : full[section.Object]!.AsObject();
            foreach (ConfigKey key in section.Keys.Where(k => k.Default.Length > 0 && k.Type != "object"))
                if (!target.ContainsKey(key.Name)) target[key.Name] = JsonNode.Parse(key.Default);
        }

        TrainConfig minimal = TrainConfig.Parse(JsonNode.Parse(Minimal)!.ToJsonString()), explicitly = TrainConfig.Parse(full.ToJsonString());
        Assert.Equal(Describe(minimal), Describe(explicitly));
    }

    [Fact]
    public void All_mistakes_are_reported_at_once()
    {
        string message = Mistakes("""
            { "learning_rte": 1, "max_steps": 0, "warmup_steps": "x", "learning_rate": null, "eval_steps": 5, "optim": "adamx", "early_stopping_patience": 2, "save_steps": 1.5,
              "data": { "sequence_length": 1, "packng": "x", "packing": "tight", "weights": [1, 2], "validation_fraction": 1 }, "samples": { "prompts": "x" }, "report": 3,
              "model": { "model_type": "llama", "hidden_size": 30, "num_attention_heads": 4 } }
            """);
        foreach (string part in (string[])
        [
            "learning_rte is not a key of this object; did you mean learning_rate?", "max_steps: 0; accepted: a whole number from 1", "warmup_steps: \"x\"", "output_dir is missing; accepted: a folder",
            "optim: \"adamx\"; accepted: adamw", "save_steps: 1.5", "data.packng is not a key of this object; did you mean packing?", "data.packing: \"tight\"; accepted: documents, windows, random",
            "data.train_file is missing", "data.sequence_length: 1", "data.weights has 2 numbers for 0 sources", "data.validation_fraction: 1", "samples.prompts: \"x\"", "report: 3; accepted: an object",
            "tokenizer is missing; accepted: an object with path or vocab_size", "intermediate_size is missing", "num_hidden_layers is missing",
        ])
            Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "max_steps": NaN }""", "line 1")]
    [InlineData("{\n \"max_steps\": 1,\n \"max_steps\": 2 }", "not valid JSON")]
    [InlineData("[]", "is no object")]
    [InlineData("3", "is no object")]
    [InlineData("", "not valid JSON")]
    public void What_is_no_config_is_refused(string json, string part) => Assert.Contains(part, Mistakes(json), StringComparison.Ordinal);

    [Fact]
    public void Values_that_do_not_fit_each_other_are_refused()
    {
        Assert.Contains(
            "data.sequence_length: 257 is longer than the model's max_position_embeddings; accepted: 2 to 256",
            Mistakes(Minimal.Replace("\"t\"", "\"t\", \"sequence_length\": 257", StringComparison.Ordinal)),
            StringComparison.Ordinal);
        Assert.Contains("eval_steps is given without a validation text", Mistakes(Minimal.Replace("\"max_steps\"", "\"eval_steps\": 1, \"max_steps\"", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("tokenizer.path and vocab_size are both given", Mistakes(Minimal.Replace("300", "300, \"path\": \"x\"", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("early_stopping_patience is given without eval_steps", Mistakes(Minimal.Replace("\"max_steps\"", "\"early_stopping_patience\": 1, \"max_steps\"", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public void Overrides_change_keys_and_sections()
    {
        using var folder = new TestFolder();
        string path = folder.Write("c.json", Minimal);
        TrainConfig config = TrainConfig.Load(path, ["max_steps=7", "data.sequence_length=16", "samples.prompts=[\"a\"]", "output_dir=else where", "optim=lion"]);
        Assert.Equal((7, 16, "else where"), (config.MaxSteps, config.Data.SequenceLength, config.OutputDir));
        Assert.Equal(["a"], config.Samples.Prompts);
        Assert.IsType<Tandem.Graph.Ops.Lion>(config.Optimizer.Optimizer);
        Assert.Contains("max_stepz", Assert.Throws<TandemException>(() => TrainConfig.Load(path, ["max_stepz=7"])).Message, StringComparison.Ordinal);
        Assert.Contains("key=value", Assert.Throws<TandemException>(() => TrainConfig.Load(path, ["max_steps"])).Message, StringComparison.Ordinal);
        Assert.Contains("max_steps is no object", Assert.Throws<TandemException>(() => TrainConfig.Load(path, ["max_steps.x=1"])).Message, StringComparison.Ordinal);
        Assert.Contains("learning_rate: \"NaN\"; accepted: a number from 0 to 100", Assert.Throws<TandemException>(() => TrainConfig.Load(path, ["learning_rate=NaN"])).Message, StringComparison.Ordinal);
        Assert.Contains("no such file", Assert.Throws<TandemException>(() => TrainConfig.Load(folder["none.json"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_schema_has_every_key_with_its_type_range_and_choices()
    {
        JsonElement schema = JsonDocument.Parse(ConfigSchema.Write()).RootElement;
        foreach (ConfigSection section in TrainConfig.Sections)
        {
            JsonElement target = section.Object.Length == 0 ? schema : schema.GetProperty("properties").GetProperty(section.Object);
            foreach (ConfigKey key in section.Keys)
            {
                JsonElement property = target.GetProperty("properties").GetProperty(key.Name);
                Assert.Contains(key.Description, property.GetProperty("description").GetString(), StringComparison.Ordinal);
                Assert.Equal(key.Default.Length == 0, target.TryGetProperty("required", out JsonElement required) && required.EnumerateArray().Any(r => r.GetString() == key.Name));
            }
        }

        JsonElement properties = schema.GetProperty("properties");
        Assert.Equal("adamw", properties.GetProperty("optim").GetProperty("enum")[0].GetString());
        Assert.Equal((1, 65536), (properties.GetProperty("gradient_accumulation_steps").GetProperty("minimum").GetInt32(), properties.GetProperty("gradient_accumulation_steps").GetProperty("maximum").GetInt32()));
        Assert.False(schema.GetProperty("additionalProperties").GetBoolean());
        Assert.False(properties.GetProperty("data").GetProperty("additionalProperties").GetBoolean());
        Assert.False(properties.GetProperty("model").TryGetProperty("additionalProperties", out _));
    }

    [Fact]
    public void The_documentation_names_every_key()
    {
        string text = File.ReadAllText(Repository("docs/training.md"));
        foreach (ConfigKey key in TrainConfig.Sections.SelectMany(s => s.Keys)) Assert.Contains($"`{key.Name}`", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_configs_of_the_repository_are_good() => Assert.All(Directory.GetFiles(Repository("bench/configs"), "*.json"), path => TrainConfig.Load(path));

    private static string Mistakes(string json) => Assert.Throws<TandemException>(() => TrainConfig.Parse(json)).Message;

    // Everything but the text it was read from; the sequence fits the model.
    private static string Describe(TrainConfig config) => string.Join('\n', typeof(TrainConfig).GetProperties().Where(p => p.Name is not nameof(TrainConfig.Json)).Select(p => $"{p.Name}: {Show(p.GetValue(config))}"));

    private static string Show(object? value) => value switch
    {
        string text => text,
        System.Collections.IEnumerable list => $"[{string.Join(", ", list.Cast<object>().Select(Show))}]",
        null => "null",
        _ when value.GetType().Namespace!.StartsWith("Tandem", StringComparison.Ordinal) && !value.GetType().IsEnum =>
            $"{value.GetType().Name} {{ {string.Join(", ", value.GetType().GetProperties().Where(p => p.GetIndexParameters().Length == 0 && !p.GetMethod!.IsStatic && p.Name != "Json").Select(p => $"{p.Name}: {(typeof(Delegate).IsAssignableFrom(p.PropertyType) ? "" : Show(p.GetValue(value)))}"))} }}",
        _ => Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)!,
    };

    private static string Repository(string path)
    {
        for (string? folder = AppContext.BaseDirectory; folder != null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "Tandem.slnx"))) return Path.Combine(folder, path);
        throw new DirectoryNotFoundException("no Tandem.slnx above the test binary");
    }
}
