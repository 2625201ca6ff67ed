using System.Text.Json;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Models;

/// <summary>
/// GPT-2 (Radford et al., 2019): LayerNorm before each block, learned positions, GELU, biases everywhere, a tied head. Names and shapes are those of its
/// checkpoints, whose projections are stored [in, out] and whose queries, keys and values are one matrix.
/// Shape letters: T rows, H hidden, F feed-forward, V vocabulary, P positions.
/// </summary>
public static class Gpt2
{
    private const string Prefix = "transformer";

    internal static ModelFamily Family { get; } = new("gpt2", "GPT2LMHeadModel")
    {
        Hidden = Hidden,
        Head = Head,
        ReadConfig = ReadConfig,
        WriteConfig = WriteConfig,
        NamePrefix = Prefix + ".",
        IgnoredTensors = ["*.attn.bias", "*.attn.masked_bias"],
        ResidualProjections = [".c_proj.weight"],
    };

    /// <summary>The graph from token ids to what the output head reads, [T, H].</summary>
    public static Value Hidden(GraphBuilder g, ModelConfig c, KvPlacement kv)
    {
        Value tokens_TH = g.Apply(new Embedding(), Prefix + ".wte", TokenTable(g, c), DecoderInputs.TokenIds(g));
        Value positions_TH = g.Apply(new Embedding(), Prefix + ".wpe", PositionTable(g, c), DecoderInputs.RowPositions(g));
        Value x_TH = g.Apply(new Add(), "embed", tokens_TH, positions_TH);
        x_TH = DecoderInputs.Drop(g, c.EmbeddingDropout, Prefix + ".drop", x_TH);
        for (int i = 0; i < c.NumLayers; i++)
        {
            using GraphBuilder.NameScope scope = g.Block($"{Prefix}.h.{i}");
            x_TH = g.Apply(new Add(), "attn.residual", x_TH, Attention(g, c, kv, i, Norm(g, c, "ln_1", x_TH)));
            x_TH = g.Apply(new Add(), "mlp.residual", x_TH, Mlp(g, c, Norm(g, c, "ln_2", x_TH)));
        }

        return Norm(g, c, Prefix + ".ln_f", x_TH);
    }

    /// <summary>The output head's weight [V, H]: the embedding table unless they are untied.</summary>
    public static Value Head(GraphBuilder g, ModelConfig c) => c.TieWordEmbeddings ? TokenTable(g, c) : Matrix(g, "lm_head.weight", c.VocabSize, c.HiddenSize);

    private static Value TokenTable(GraphBuilder g, ModelConfig c) => Matrix(g, Prefix + ".wte.weight", c.VocabSize, c.HiddenSize);

    private static Value PositionTable(GraphBuilder g, ModelConfig c) => Matrix(g, Prefix + ".wpe.weight", c.MaxPositions, c.HiddenSize);

    private static Value Attention(GraphBuilder g, ModelConfig c, KvPlacement kv, int layer, Value n_TH)
    {
        using GraphBuilder.NameScope scope = g.Scope("attn");
        Value qkv_T3H = Projection(g, "c_attn", n_TH, 3 * c.HiddenSize);
        IReadOnlyList<Value> heads = g.ApplyAll(new SplitColumns([c.HiddenSize, c.HiddenSize, c.HiddenSize]), "split", qkv_T3H);
        var spec = new AttentionSpec(c.NumHeads, c.NumHeads, c.HeadDim, c.HeadDim, 1 / MathF.Sqrt(c.HeadDim));
        Value y_TH = Projection(g, "c_proj", DecoderInputs.Attend(g, spec, kv, layer, heads[0], heads[1], heads[2]), c.HiddenSize);
        return DecoderInputs.Drop(g, c.ResidualDropout, "resid_dropout", y_TH);
    }

    private static Value Mlp(GraphBuilder g, ModelConfig c, Value n_TH)
    {
        using GraphBuilder.NameScope scope = g.Scope("mlp");
        Value h_TF = g.Apply(new Activation(c.Activation.Kind()), "act", Projection(g, "c_fc", n_TH, c.IntermediateSize));
        return DecoderInputs.Drop(g, c.ResidualDropout, "dropout", Projection(g, "c_proj", h_TF, c.HiddenSize));
    }

    private static Value Norm(GraphBuilder g, ModelConfig c, string name, Value x_TH) => g.ApplyAll(
        new LayerNorm((float)c.NormEps), name, x_TH, Vector(g, name + ".weight", c.HiddenSize), Vector(g, name + ".bias", c.HiddenSize))[0];

    private static Value Projection(GraphBuilder g, string name, Value x, int outputs) => g.Apply(
        new Linear(Transposed: true), name, x, Matrix(g, name + ".weight", x.Type.Dims[0], outputs), Vector(g, name + ".bias", outputs));

    private static Value Matrix(GraphBuilder g, string name, int rows, int columns) => g.Parameter(name, new TensorType(DType.F32, RowSymbol.None, rows, columns));

    private static Value Vector(GraphBuilder g, string name, int size) => g.Parameter(name, new TensorType(DType.F32, RowSymbol.None, size));

    private static ModelConfig ReadConfig(ConfigReader reader)
    {
        // The library knows GPT-2's sizes under its own names and under everybody else's.
        string Key(string own, string common) => !reader.Has(own) && reader.Has(common) ? common : own;

        string hiddenKey = Key("n_embd", "hidden_size"), headsKey = Key("n_head", "num_attention_heads");
        int hidden = reader.Int(hiddenKey, 1, ModelConfig.MaxSize), heads = reader.Int(headsKey, 1, ModelConfig.MaxHeads);
        int layers = reader.Int(Key("n_layer", "num_hidden_layers"), 1, ModelConfig.MaxLayers);
        DecoderKeys.RequireDivisible(reader, hiddenKey, hidden, headsKey, heads);
        DecoderKeys.RequireValue(reader, "scale_attn_weights", true);
        DecoderKeys.RequireValue(reader, "scale_attn_by_inverse_layer_idx", false);
        DecoderKeys.RequireValue(reader, "add_cross_attention", false);
        return new()
        {
            ModelType = Family.ModelType,
            VocabSize = reader.Int("vocab_size", 1, ModelConfig.MaxSize),
            HiddenSize = hidden,
            IntermediateSize = reader.Int("n_inner", 1, ModelConfig.MaxSize, (int)Math.Min(4L * hidden, ModelConfig.MaxSize)),
            NumLayers = layers,
            NumHeads = heads,
            NumKvHeads = heads,
            HeadDim = Math.Max(1, hidden / heads),
            MaxPositions = reader.Int(Key("n_positions", "max_position_embeddings"), 1, ModelConfig.MaxMaxPositions, 1024),
            NormEps = reader.Number("layer_norm_epsilon", 1e-30, 1, 1e-5),
            Activation = DecoderKeys.ReadActivation(reader, "activation_function", HiddenActivation.GeluTanh),
            TieWordEmbeddings = reader.Bool("tie_word_embeddings", true),
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
            LayerWindows = new int[layers],
            EmbeddingDropout = DecoderKeys.ReadDropout(reader, "embd_pdrop"),
            ResidualDropout = DecoderKeys.ReadDropout(reader, "resid_pdrop"),
            AttentionDropout = DecoderKeys.ReadDropout(reader, "attn_pdrop"),
        };
    }

    private static void WriteConfig(Utf8JsonWriter json, ModelConfig c)
    {
        json.WriteNumber("n_embd", c.HiddenSize);
        json.WriteNumber("n_inner", c.IntermediateSize);
        json.WriteNumber("n_layer", c.NumLayers);
        json.WriteNumber("n_head", c.NumHeads);
        json.WriteNumber("n_positions", c.MaxPositions);
        json.WriteNumber("layer_norm_epsilon", c.NormEps);
        json.WriteString("activation_function", DecoderKeys.ActivationName(c));
        json.WriteNumber("embd_pdrop", c.EmbeddingDropout);
        json.WriteNumber("resid_pdrop", c.ResidualDropout);
        json.WriteNumber("attn_pdrop", c.AttentionDropout);
    }
}
