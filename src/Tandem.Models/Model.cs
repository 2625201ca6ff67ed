using Tandem.Graph;

namespace Tandem.Models;

/// <summary>
/// A model's config and weights, in the layouts that its graphs read; trainers, engines and checkpoints share one.
/// </summary>
public sealed unsafe class Model : IDisposable
{
    private readonly Dictionary<string, NativeBuffer> _weights = [];
    private readonly Dictionary<string, TensorType> _types = [];
    private readonly NativeBuffer? _rope;

    /// <summary>Allocates the weights of a model, all zero.</summary>
    /// <param name="config">The model.</param>
    /// <param name="ropeLength">Longest sequence, where the rope table depends on it; 0 is the model's own limit.</param>
    public Model(ModelConfig config, int ropeLength = 0)
    {
        Config = config;
        foreach (Value parameter in ModelGraphs.Evaluate(config).Parameters)
        {
            _types[parameter.Name] = parameter.Type;
            _weights[parameter.Name] = new NativeBuffer(parameter.Type.RowBytes);
        }

        _rope = RopeTables.Build(config, ropeLength);
    }

    /// <summary>The config.</summary>
    public ModelConfig Config { get; }

    /// <summary>Names of the weights, in order of use.</summary>
    public IEnumerable<string> WeightNames => _types.Keys;

    /// <summary>Number of weights' elements.</summary>
    public long NumParameters => _types.Values.Sum(t => t.Width);

    /// <summary>Tokens that end a text.</summary>
    public IReadOnlySet<int> EndOfText { get; init; } = new HashSet<int>();

    /// <summary>Whether a token ends a text.</summary>
    public bool IsEndOfText(int token) => EndOfText.Contains(token);

    /// <summary>Logical type of a weight, with its layout in memory.</summary>
    public TensorType TypeOf(string name) => _types[name];

    /// <summary>A weight's memory.</summary>
    public NativeBuffer Buffer(string name) => _weights[name];

    /// <summary>Memory of the weights, the rope table and a batch's inputs by name, as instances bind them.</summary>
    public Dictionary<string, NativeBuffer> Bindings(Batch batch)
    {
        var bindings = new Dictionary<string, NativeBuffer>(_weights)
        {
            [DecoderInputs.Tokens] = batch.Tokens,
            [DecoderInputs.Positions] = batch.Positions,
            [DecoderInputs.Labels] = batch.Labels,
        };
        if (_rope != null) bindings[DecoderInputs.RopeTable] = _rope;
        return bindings;
    }

    /// <summary>Draws all weights: matrices from N(0, deviation), projections into the residual stream from N(0, deviation / sqrt(2 layers)), norms 1, biases 0.</summary>
    public void Initialize(ulong seed, double deviation = 0.02)
    {
        foreach ((string name, TensorType type) in _types)
        {
            var rows = new float[type.Width];
            if (type.Dims.Length == 2)
            {
                bool intoResidual = name.Contains("o_proj", StringComparison.Ordinal) || name.Contains("down_proj", StringComparison.Ordinal) || name.Contains("c_proj", StringComparison.Ordinal);
                double scale = intoResidual ? deviation / Math.Sqrt(2.0 * Config.NumLayers) : deviation;
                Philox.Stream(seed, name).FillNormal(rows, 0, 0, (float)scale);
            }
            else if (!name.EndsWith(".bias", StringComparison.Ordinal))
            {
                rows.AsSpan().Fill(1);
            }

            Set(name, rows);
        }
    }

    /// <summary>Copies a weight in from row-major order.</summary>
    public void Set(string name, ReadOnlySpan<float> rows)
    {
        TensorType type = _types[name];
        if (rows.Length != type.Width) throw new TandemException($"'{name}' has {type.Width} elements, {rows.Length} were given");
        fixed (float* source = rows) Layouts.Pack(type, source, _weights[name].Pointer);
    }

    /// <summary>A weight in row-major order.</summary>
    public float[] Get(string name)
    {
        var rows = new float[_types[name].Width];
        fixed (float* target = rows) Layouts.Unpack(_types[name], _weights[name].Pointer, target);
        return rows;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NativeBuffer buffer in _weights.Values) buffer.Dispose();
        _rope?.Dispose();
    }
}
