using Tandem.Graph;

namespace Tandem.Models;

/// <summary>
/// A model's config and weights, in the layouts that its graphs read; trainers, engines and checkpoints share one.
/// </summary>
public sealed unsafe class Model : IDisposable
{
    private readonly Dictionary<string, NativeBuffer> _weights = [];
    private readonly Dictionary<string, TensorType> _types = [];
    private readonly RopeTable? _rope;

    /// <summary>Allocates the weights of a model, all zero.</summary>
    /// <param name="config">The model.</param>
    /// <param name="ropeLength">Longest sequence, where the rope table depends on it; 0 is the model's own limit.</param>
    /// <param name="weightType">Element type of the matrices: f32, bf16 or f16. Vectors (norms, biases) are always f32.</param>
    public Model(ModelConfig config, int ropeLength = 0, DType weightType = DType.F32)
    {
        Config = config;
        WeightType = weightType;
        foreach (Value parameter in ModelGraphs.Evaluate(config, new GraphOptions { WeightType = weightType }).Parameters)
        {
            _types[parameter.Name] = parameter.Type;
            _weights[parameter.Name] = new NativeBuffer(parameter.Type.RowBytes);
        }

        if (config.Rope != null) _rope = RopeTable.Build(config.Rope, config.HeadDim, config.MaxPositions, ropeLength);
    }

    /// <summary>The config.</summary>
    public ModelConfig Config { get; }

    /// <summary>Element type of the matrices.</summary>
    public DType WeightType { get; }

    /// <summary>Names of the weights, in order of use.</summary>
    public IEnumerable<string> WeightNames => _types.Keys;

    /// <summary>Number of weights' elements.</summary>
    public long NumParameters => _types.Values.Sum(t => t.Width);

    /// <summary>Whether a token ends a text.</summary>
    public bool IsEndOfText(int token) => Config.EosTokenIds.Contains(token);

    /// <summary>Reads a Hugging Face directory; every weight must be there, in its shape, and nothing else.</summary>
    /// <exception cref="TandemException">A file is missing or malformed, or the weights are not those of the config.</exception>
    public static Model Load(string folder, int ropeLength = 0, DType weightType = DType.F32)
    {
        using HfDirectory directory = HfDirectory.Open(folder);
        var model = new Model(directory.ReadConfig(), ropeLength, weightType);
        try
        {
            ExpectedTensor[] expected = [.. model._types.Select(t => new ExpectedTensor(t.Key, LogicalShape(t.Value)))];
            foreach (StoredTensor stored in directory.Tensors.Load(expected, "*.rotary_emb.inv_freq", model.Config.TieWordEmbeddings ? "lm_head.weight" : ""))
            {
                using var rows = new NativeBuffer(stored.Shape.Count * sizeof(float));
                stored.CopyTo(DType.F32, rows.Pointer);
                Layouts.Pack(model._types[stored.Name], (float*)rows.Pointer, model._weights[stored.Name].Pointer);
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Writes a Hugging Face directory. Each file is written beside its place and renamed, so a crash leaves the old one or the new one.</summary>
    public void Save(string folder) => HfDirectoryWriter.Write(
        folder,
        Config.ToJson(),
        [.. _types.Select(t => LogicalTensor(t.Key, t.Value, _weights[t.Key].Pointer))],
        GenerationConfig.From(Config).ToJson(),
        overwrite: true);

    /// <summary>A tensor in memory as a checkpoint sees it: rows one after another, without the padding of its layout.</summary>
    public static TensorSource LogicalTensor(string name, TensorType type, byte* memory)
    {
        nint start = (nint)memory;
        int size = type.DType.Size();
        return new TensorSource(name, type.DType, LogicalShape(type), (first, destination) =>
        {
            for (int i = 0; i < destination.Length / size; i++)
                new ReadOnlySpan<byte>((byte*)start + (Layouts.Place(type, first + i) * size), size).CopyTo(destination[(i * size)..]);
        });
    }

    /// <summary>Shape of a weight as in a checkpoint.</summary>
    public static Shape LogicalShape(TensorType type) => new([.. type.Dims.Select(d => (long)d)]);

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
        if (_rope != null) bindings[DecoderInputs.RopeTable] = _rope.Buffer;
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
