using System.Text.Json;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Models;

/// <summary>
/// Llama (Touvron et al., 2023): RMSNorm before each block, grouped-query attention with rope, SwiGLU. Names are those of its checkpoints.
/// Shape letters: T rows, H hidden, Q query heads, K key/value heads, D head size, F feed-forward, V vocabulary.
/// </summary>
public static class Llama
{
    internal static ModelFamily Family { get; } = new("llama", "LlamaForCausalLM")
    {
        Hidden = Hidden,
        Head = Head,
        ReadConfig = ReadConfig,
        WriteConfig = WriteConfig,
        NamePrefix = "model.",
        IgnoredTensors = ["*.rotary_emb.inv_freq"],
        ResidualProjections = [".o_proj.weight", ".down_proj.weight"],
    };

    /// <summary>The graph from token ids to what the output head reads, [T, H].</summary>
    public static Value Hidden(GraphBuilder g, ModelConfig c, KvPlacement kv) => Hidden(g, c, kv, (_, x) => x);

    /// <summary>The same with something done to queries and keys, [T, heads * D], before they are turned; it gets the name of the projection.</summary>
    internal static Value Hidden(GraphBuilder g, ModelConfig c, KvPlacement kv, Func<string, Value, Value> onHeads)
    {
        Value x_TH = g.Apply(new Embedding(), "embed", EmbeddingTable(g, c), DecoderInputs.TokenIds(g));
        for (int i = 0; i < c.NumLayers; i++)
        {
            using GraphBuilder.NameScope scope = g.Block($"model.layers.{i}");
            x_TH = g.Apply(new Add(), "attn.residual", x_TH, Attention(g, c, kv, i, onHeads, Norm(g, c, "input_layernorm", x_TH)));
            x_TH = g.Apply(new Add(), "mlp.residual", x_TH, Mlp(g, c, Norm(g, c, "post_attention_layernorm", x_TH)));
        }

        return Norm(g, c, "model.norm", x_TH);
    }

    /// <summary>The output head's weight [V, H]: the embedding table where they are tied.</summary>
    public static Value Head(GraphBuilder g, ModelConfig c) => c.TieWordEmbeddings ? EmbeddingTable(g, c) : Weight(g, "lm_head.weight", c.VocabSize, c.HiddenSize);

    private static Value EmbeddingTable(GraphBuilder g, ModelConfig c) => Weight(g, "model.embed_tokens.weight", c.VocabSize, c.HiddenSize);

    private static Value Attention(GraphBuilder g, ModelConfig c, KvPlacement kv, int layer, Func<string, Value, Value> onHeads, Value n_TH)
    {
        using GraphBuilder.NameScope scope = g.Scope("self_attn");
        int rotary = c.Rope!.RotaryDim(c.HeadDim);
        Value rope = g.State(DecoderInputs.RopeTable, new TensorType(DType.F32, RowSymbol.None, 2, kv.RopeTables * c.MaxPositions, rotary / 2));
        var turn = new Rope(c.HeadDim, rotary);
        Value q_TQD = g.Apply(turn, "q_rope", onHeads("q", Linear(g, "q_proj", n_TH, c.NumHeads * c.HeadDim, c.QkvBias)), rope);
        Value k_TKD = g.Apply(turn, "k_rope", onHeads("k", Linear(g, "k_proj", n_TH, c.NumKvHeads * c.HeadDim, c.QkvBias)), rope);
        Value v_TKD = Linear(g, "v_proj", n_TH, c.NumKvHeads * c.HeadDim, c.QkvBias);
        var spec = new AttentionSpec(c.NumHeads, c.NumKvHeads, c.HeadDim, c.HeadDim, 1 / MathF.Sqrt(c.HeadDim), c.LayerWindows[layer]);
        return Linear(g, "o_proj", DecoderInputs.Attend(g, spec, kv, layer, q_TQD, k_TKD, v_TKD), c.HiddenSize, c.OutputBias);
    }

    private static Value Mlp(GraphBuilder g, ModelConfig c, Value n_TH)
    {
        using GraphBuilder.NameScope scope = g.Scope("mlp");
        Value gate_TF = Linear(g, "gate_proj", n_TH, c.IntermediateSize, c.MlpBias);
        Value up_TF = Linear(g, "up_proj", n_TH, c.IntermediateSize, c.MlpBias);
        return Linear(g, "down_proj", g.Apply(new GatedActivation(c.Activation.Kind()), "act", gate_TF, up_TF), c.HiddenSize, c.MlpBias);
    }

    private static Value Norm(GraphBuilder g, ModelConfig c, string name, Value x_TH) =>
        g.ApplyAll(new RmsNorm((float)c.NormEps), name, x_TH, g.Parameter(name + ".weight", new TensorType(DType.F32, RowSymbol.None, c.HiddenSize)))[0];

    private static Value Linear(GraphBuilder g, string name, Value x, int outputs, bool bias)
    {
        Value w = Weight(g, name + ".weight", outputs, x.Type.Dims[0]);
        return bias
            ? g.Apply(new Linear(), name, x, w, g.Parameter(name + ".bias", new TensorType(DType.F32, RowSymbol.None, outputs)))
            : g.Apply(new Linear(), name, x, w);
    }

    private static Value Weight(GraphBuilder g, string name, int rows, int columns) => g.Parameter(name, new TensorType(DType.F32, RowSymbol.None, rows, columns));

    private static ModelConfig ReadConfig(ConfigReader reader)
    {
        ModelConfig config = DecoderKeys.Read(reader, Family.ModelType, new(MaxPositions: 2048));
        bool bias = reader.Bool("attention_bias", false);
        return config with
        {
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = reader.Bool("mlp_bias", false),
            LayerWindows = WindowKeys.ReadLayers(reader, config.NumLayers, window: 0, firstLayer: 0),
        };
    }

    private static void WriteConfig(Utf8JsonWriter json, ModelConfig c)
    {
        DecoderKeys.Write(json, c);
        json.WriteBoolean("attention_bias", c.OutputBias);
        json.WriteBoolean("mlp_bias", c.MlpBias);
    }
}
