using System.Text.Json;

namespace Tandem.Models;

/// <summary>Qwen2 (Yang et al., 2024): Llama's graph with biases on queries, keys and values, and windows on the upper layers where they are switched on.</summary>
public static class Qwen2
{
    internal static ModelFamily Family { get; } = Llama.Family with
    {
        ModelType = "qwen2",
        Architecture = "Qwen2ForCausalLM",
        ReadConfig = ReadConfig,
        WriteConfig = WriteConfig,
    };

    private static ModelConfig ReadConfig(ConfigReader reader)
    {
        ModelConfig config = DecoderKeys.Read(reader, Family.ModelType, new(MaxPositions: 32768, KvHeads: 32));
        DecoderKeys.RequireValue(reader, "mlp_bias", false);
        return config with { QkvBias = true, LayerWindows = WindowKeys.ReadSwitched(reader, config.NumLayers) };
    }

    private static void WriteConfig(Utf8JsonWriter json, ModelConfig c)
    {
        DecoderKeys.Write(json, c);
        WindowKeys.WriteSwitched(json, c);
    }
}
