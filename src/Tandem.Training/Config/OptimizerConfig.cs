using Tandem.Graph.Ops;
using Tandem.Graph.Passes;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>The keys of a configuration that make the optimizer, its groups, the element type of the weights and what belongs to it.</summary>
public sealed record OptimizerConfig
{
    private const string Adamw = "adamw";

    private static readonly string[] s_names = [Adamw, "adam", "sgd", "lion", "adafactor", "muon"];

    private static readonly (string Name, MuonAdjust Value)[] s_adjustments = [("original", MuonAdjust.Original), ("match_rms_adamw", MuonAdjust.MatchAdamW)];

    /// <summary>The keys.</summary>
    public static IReadOnlyList<ConfigKey> Keys { get; } =
    [
        new("optim", "choice", "\"adamw\"", string.Join(", ", s_names), "The optimizer"),
        new("weight_decay", "number", "0", "0 to 100", "Weight decay: decoupled, but L2 for adam and sgd; vectors (norms, biases) have none"),
        new("weight_decay_exclude", "array", "[]", "a list of up to 1000 strings", "Further weights without decay: those whose names contain one of these strings"),
        new("adam_beta1", "number", "0.9", "0 to 1", "Decay of the first moment (adamw, adam, lion, and muon's other weights)"),
        new("adam_beta2", "number", "0.999", "0 to 1", "Decay of the second moment, of the momentum for lion (there 0.99 when absent; 0.95 for muon's other weights)"),
        new("adam_epsilon", "number", "1e-8", "0 to 1", "Added to the root of the second moment (adamw, adam, and muon's other weights)"),
        new("momentum", "number", "0", "0 to 1", "Momentum (sgd; muon, there 0.95 when absent)"),
        new("nesterov", "boolean", "false", "true or false", "Nesterov's momentum (sgd; muon, there true when absent)"),
        new("dampening", "number", "0", "0 to 1", "Share of the gradient that does not enter the momentum (sgd)"),
        new("muon_adjust_lr", "choice", "\"original\"", string.Join(", ", s_adjustments.Select(a => a.Name)), "How muon's step depends on a matrix's shape"),
        new("muon_others_lr_factor", "number", "1", "0 to 1000000", "Factor on the learning rate of the weights that muon leaves to adamw: vectors, embeddings, output head"),
        new("adafactor_decay_rate", "number", "-0.8", "-1 to 0", "Exponent of the step in the decay of the second moments (adafactor)"),
        new("adafactor_beta1", "number", "0", "0 to 1", "Decay of the smoothed update; 0 keeps none (adafactor)"),
        new("adafactor_clip_threshold", "number", "1", "1e-6 to 1000000", "Largest root mean square of an update (adafactor)"),
        new("adafactor_scale_parameter", "boolean", "false", "true or false", "Whether the rate is multiplied by the weight's root mean square (adafactor)"),
        new("adafactor_relative_step", "boolean", "false", "true or false", "Whether the rate depends on the step alone, not on learning_rate (adafactor)"),
        new("adafactor_warmup_init", "boolean", "false", "true or false", "Whether a relative rate rises from 1e-6 in steps of 1e-6 (adafactor)"),
        new("max_grad_norm", "number", "1", "0 to 1e9", "Largest norm of the gradient; 0 does not clip"),
        new("ema_decay", "number", "0", "0 to 1", "Decay of moving averages of the weights; 0 keeps none"),
        new("ema_warmup", "boolean", "false", "true or false", "Whether that decay starts small: (1 + step) / (10 + step) at the most"),
        new("bf16", "boolean", "false", "true or false", "Matrices in bf16, with f32 master copies"),
        new("fp16", "boolean", "false", "true or false", "Matrices in f16, with f32 master copies and a dynamic loss scale"),
        new("stochastic_rounding", "boolean", "false", "true or false", "With bf16: no master copies, new weights are rounded at random without bias"),
        new("fp16_initial_scale", "number", "65536", "a power of two from 1 to 4294967296", "First loss scale (fp16)"),
        new("fp16_growth_interval", "integer", "2000", "1 to 2147483647", "Good steps in a row after which the loss scale doubles (fp16)"),
    ];

    /// <summary>The optimizer.</summary>
    public required OptimizerOp Optimizer { get; init; }

    /// <summary>Groups and moving averages.</summary>
    public required UpdateOptions Update { get; init; }

    /// <summary>Largest gradient norm; 0 does not clip.</summary>
    public required double MaxGradientNorm { get; init; }

    /// <summary>Element type of the matrices.</summary>
    public required DType WeightType { get; init; }

    /// <summary>The loss scale; null has none.</summary>
    public LossScalerOptions? LossScaler { get; init; }

    /// <summary>Reads the keys; mistakes are noted in the reader. <paramref name="seed"/> is that of stochastic rounding.</summary>
    internal static OptimizerConfig Read(ConfigReader reader, ulong seed)
    {
        bool bf16 = reader.Bool("bf16", false), fp16 = reader.Bool("fp16", false), stochastic = reader.Bool("stochastic_rounding", false);
        if (bf16 && fp16) reader.Conflict("bf16 and fp16 are both true; accepted: one of them");
        if (stochastic && !bf16) reader.Conflict("stochastic_rounding is true without bf16; accepted: bf16 true, or stochastic_rounding false");
        double scale = reader.Number("fp16_initial_scale", 1, 4294967296, 65536);
        if (!double.IsPow2(scale)) reader.Mistake("fp16_initial_scale", "a power of two from 1 to 4294967296");
        int interval = reader.Int("fp16_growth_interval", 1, int.MaxValue, 2000);
        OptimizerOp optimizer = ReadOptimizer(reader);
        return new OptimizerConfig
        {
            Optimizer = stochastic ? optimizer with { StochasticRounding = seed } : optimizer,
            Update = ReadUpdate(reader),
            MaxGradientNorm = reader.Number("max_grad_norm", 0, 1e9, 1),
            WeightType = bf16 ? DType.BF16 : fp16 ? DType.F16 : DType.F32,
            LossScaler = fp16 ? new LossScalerOptions { InitialScale = scale, GrowthInterval = interval } : null,
        };
    }

    private static OptimizerOp ReadOptimizer(ConfigReader reader)
    {
        string name = reader.Choice("optim", [.. s_names.Select(n => (n, n))], Adamw);
        double decay = reader.Number("weight_decay", 0, 100, 0);
        double beta1 = reader.Number("adam_beta1", 0, 1, 0.9), beta2 = reader.Number("adam_beta2", 0, 1, name == "lion" ? 0.99 : name == "muon" ? 0.95 : 0.999);
        double eps = reader.Number("adam_epsilon", 0, 1, 1e-8);
        double momentum = reader.Number("momentum", 0, 1, name == "muon" ? 0.95 : 0), dampening = reader.Number("dampening", 0, 1, 0);
        bool nesterov = reader.Bool("nesterov", name == "muon");
        MuonAdjust adjust = reader.Choice("muon_adjust_lr", s_adjustments, MuonAdjust.Original);
        double othersFactor = reader.Number("muon_others_lr_factor", 0, 1e6, 1);
        Adafactor adafactor = ReadAdafactor(reader, decay);
        if (name == "sgd" && nesterov && (momentum == 0 || dampening != 0)) reader.Conflict("nesterov is true with no momentum or with dampening; accepted: momentum above 0, dampening 0");
        return name switch
        {
            "adam" => new Adam(beta1, beta2, eps, decay),
            "sgd" => new Sgd(momentum, nesterov, dampening, decay),
            "lion" => new Lion(beta1, beta2, decay),
            "adafactor" => adafactor,
            "muon" => new Muon(momentum, nesterov, decay) { Adjust = adjust, Others = new AdamW(beta1, beta2, eps, decay) { LearningRateFactor = othersFactor } },
            _ => new AdamW(beta1, beta2, eps, decay),
        };
    }

    private static Adafactor ReadAdafactor(ConfigReader reader, double decay)
    {
        bool relative = reader.Bool("adafactor_relative_step", false), warmup = reader.Bool("adafactor_warmup_init", false);
        if (warmup && !relative) reader.Conflict("adafactor_warmup_init is true without adafactor_relative_step; accepted: both, or neither");
        return new Adafactor(reader.Number("adafactor_decay_rate", -1, 0, -0.8), 1e-30, 1e-3, reader.Number("adafactor_clip_threshold", 1e-6, 1e6, 1), decay)
        {
            Beta1 = reader.Number("adafactor_beta1", 0, 1, 0),
            RelativeStep = relative,
            WarmupInit = warmup,
            ScaleParameter = reader.Bool("adafactor_scale_parameter", false),
        };
    }

    private static UpdateOptions ReadUpdate(ConfigReader reader)
    {
        double decay = reader.Number("ema_decay", 0, 1, 0);
        bool warmup = reader.Bool("ema_warmup", false);
        string[] excluded = reader.Texts("weight_decay_exclude", 1000) ?? [];
        var undecayed = new ParameterGroup("undecayed", p => excluded.Any(e => p.Name.Contains(e, StringComparison.Ordinal))) { WeightDecay = 0 };
        return new UpdateOptions
        {
            Groups = excluded.Length == 0 ? ParameterGroup.Default : [undecayed, .. ParameterGroup.Default],
            Ema = decay > 0 ? new Ema(decay, warmup) : null,
        };
    }
}
