using System.Text.Json;

namespace Tandem.Models;

/// <summary>Mistral (Jiang et al., 2023): Llama's graph with a sliding window on every layer, unless the config says otherwise.</summary>
public static class Mistral
{
    internal static ModelFamily Family { get; } = Llama.Family with
    {
        ModelType = "mistral",
        Architecture = "MistralForCausalLM",
        ReadConfig = ReadConfig,
        WriteConfig = WriteConfig,
    };

    private static ModelConfig ReadConfig(ConfigReader reader)
    {
        ModelConfig config = DecoderKeys.Read(reader, Family.ModelType, new(MaxPositions: 131072, KvHeads: 8));
        DecoderKeys.RequireValue(reader, "attention_bias", false);
        DecoderKeys.RequireValue(reader, "mlp_bias", false);
        return config with { LayerWindows = WindowKeys.ReadLayers(reader, config.NumLayers, WindowKeys.ReadWindow(reader, 4096), firstLayer: 0) };
    }

    private static void WriteConfig(Utf8JsonWriter json, ModelConfig c)
    {
        DecoderKeys.Write(json, c);
        WindowKeys.WriteWindow(json, c);
        if (!c.LayerWindows.All(w => w == c.LayerWindows[0])) WindowKeys.WriteLayers(json, c);
    }
}
