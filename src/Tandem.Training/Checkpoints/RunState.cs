using System.Globalization;
using System.Text.Json;

namespace Tandem.Training;

/// <summary>
/// What a checkpoint holds of a run besides tensors. The place in the data is one integer: sample i is a function of the seed and i.
/// </summary>
public sealed record RunState
{
    /// <summary>Steps, skipped steps, loss scale.</summary>
    public TrainerState Trainer { get; init; }

    /// <summary>Samples consumed.</summary>
    public long Samples { get; init; }

    /// <summary>Tokens trained on.</summary>
    public long Tokens { get; init; }

    /// <summary>Lowest loss of an evaluation; null before the first.</summary>
    public double? BestLoss { get; init; }

    /// <summary>Step of that evaluation.</summary>
    public long BestStep { get; init; }

    /// <summary>Evaluations in a row that were not better.</summary>
    public int WorseEvaluations { get; init; }

    /// <summary>See <see cref="RunData.Fingerprint"/>; 0 if not known.</summary>
    public ulong Data { get; init; }

    /// <summary>The config as JSON; null if not known.</summary>
    public string? Config { get; init; }

    /// <summary>Size and XXH3 of each file of the checkpoint, by name.</summary>
    internal IReadOnlyDictionary<string, (long Bytes, ulong Hash)> Files { get; init; } = new Dictionary<string, (long, ulong)>();

    internal byte[] Write()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("step", Trainer.Step);
            json.WriteNumber("skipped", Trainer.Skipped);
            json.WriteNumber("samples", Samples);
            json.WriteNumber("tokens", Tokens);
            if (Trainer.LossScale is { } scale)
            {
                json.WriteNumber("loss_scale", scale.Scale);
                json.WriteNumber("loss_scale_good_steps", scale.GoodSteps);
            }

            if (BestLoss is { } best) json.WriteNumber("best_loss", best);
            json.WriteNumber("best_step", BestStep);
            json.WriteNumber("worse_evaluations", WorseEvaluations);
            json.WriteString("data", Hex(Data));
            if (Config != null)
            {
                json.WritePropertyName("config");
                json.WriteRawValue(Config);
            }

            json.WriteStartObject("files");
            foreach ((string name, (long bytes, ulong hash)) in Files.OrderBy(f => f.Key, StringComparer.Ordinal))
            {
                json.WriteStartObject(name);
                json.WriteNumber("bytes", bytes);
                json.WriteString("xxh3", Hex(hash));
                json.WriteEndObject();
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        stream.Write("\n"u8);
        return stream.ToArray();
    }

    /// <exception cref="TandemException">The file is missing or malformed.</exception>
    internal static RunState Read(string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement root = document.RootElement;
            LossScalerState? scale = root.TryGetProperty("loss_scale", out JsonElement value) ? new LossScalerState(value.GetDouble(), root.GetProperty("loss_scale_good_steps").GetInt32()) : null;
            return new RunState
            {
                Trainer = new TrainerState(root.GetProperty("step").GetInt64(), root.GetProperty("skipped").GetInt64(), scale),
                Samples = root.GetProperty("samples").GetInt64(),
                Tokens = root.GetProperty("tokens").GetInt64(),
                BestLoss = root.TryGetProperty("best_loss", out JsonElement best) ? best.GetDouble() : null,
                BestStep = root.GetProperty("best_step").GetInt64(),
                WorseEvaluations = root.GetProperty("worse_evaluations").GetInt32(),
                Data = ulong.Parse(root.GetProperty("data").GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                Config = root.TryGetProperty("config", out JsonElement config) ? config.GetRawText() : null,
                Files = root.GetProperty("files").EnumerateObject().ToDictionary(
                    f => f.Name,
                    f => (f.Value.GetProperty("bytes").GetInt64(), ulong.Parse(f.Value.GetProperty("xxh3").GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture))),
            };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentNullException or OverflowException)
        {
            throw new TandemException($"'{path}' is no state of a run: {e.Message}", e);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    private static string Hex(ulong number) => number.ToString("x16", CultureInfo.InvariantCulture);
}
