using System.Text.Json;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Models;

/// <summary>Qwen3 (Yang et al., 2025): Llama with an RMSNorm over each head of queries and keys, one weight for all heads, before rope.</summary>
public static class Qwen3
{
    internal static ModelFamily Family { get; } = Llama.Family with
    {
        ModelType = "qwen3",
        Architecture = "Qwen3ForCausalLM",
        Hidden = Hidden,
        ReadConfig = ReadConfig,
        WriteConfig = WriteConfig,
    };

    /// <summary>The graph from token ids to what the output head reads, [T, H].</summary>
    public static Value Hidden(GraphBuilder g, ModelConfig c, KvPlacement kv) => Llama.Hidden(g, c, kv, (name, x_TQD) =>
        g.ApplyAll(
            new RmsNorm((float)c.NormEps), $"{name}_norm", x_TQD,
            g.Parameter($"{name}_norm.weight", new TensorType(DType.F32, RowSymbol.None, c.HeadDim)))[0]);

    private static ModelConfig ReadConfig(ConfigReader reader)
    {
        ModelConfig config = DecoderKeys.Read(reader, Family.ModelType, new(MaxPositions: 32768, KvHeads: 32, HeadDim: 128));
        DecoderKeys.RequireValue(reader, "mlp_bias", false);
        bool bias = reader.Bool("attention_bias", false);
        return config with { QkvBias = bias, OutputBias = bias, LayerWindows = WindowKeys.ReadSwitched(reader, config.NumLayers) };
    }

    private static void WriteConfig(Utf8JsonWriter json, ModelConfig c)
    {
        DecoderKeys.Write(json, c);
        json.WriteBoolean("attention_bias", c.OutputBias);
        WindowKeys.WriteSwitched(json, c);
    }
}
