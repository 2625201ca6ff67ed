using System.Buffers;
using System.Runtime.InteropServices;
using Tandem.Graph;

namespace Tandem.Models;

/// <summary>
/// A model's config and weights, in the layouts that its graphs read; trainers, engines and checkpoints share one.
/// </summary>
public sealed unsafe class Model : IDisposable
{
    private readonly NativeBuffer _memory;
    private readonly Dictionary<string, NativeBuffer> _weights = [];
    private readonly Dictionary<string, TensorType> _types = [];
    private readonly Lazy<RopeTable>? _rope;

    /// <summary>Allocates the weights of a model, all zero.</summary>
    /// <param name="config">The model.</param>
    /// <param name="ropeLength">
    /// Longest sequence, where the rope table depends on it: training has one table, for this length (an engine gives each sequence one for its own); 0 is the model's own limit.
    /// </param>
    /// <param name="weightType">Element type of the matrices: f32, bf16 or f16. Vectors (norms, biases) are always f32.</param>
    /// <param name="weightTypes">Types of matrices that have another, by name; null is none.</param>
    public Model(ModelConfig config, int ropeLength = 0, DType weightType = DType.F32, IReadOnlyDictionary<string, DType>? weightTypes = null)
    {
        Config = config.Rope is { DependsOnLength: true } && ropeLength > config.MaxPositions ? config with { MaxPositions = ropeLength } : config;
        WeightType = weightType;
        WeightTypes = weightTypes ?? new Dictionary<string, DType>();
        foreach (Value parameter in ModelGraphs.Evaluate(Config, new GraphOptions { WeightType = weightType, WeightTypes = WeightTypes }).Parameters) _types[parameter.Name] = parameter.Type;
        _memory = NativeBuffer.Divide([.. _types.Values.Select(t => t.RowBytes)], out NativeBuffer[] weights);
        foreach ((string name, NativeBuffer weight) in _types.Keys.Zip(weights)) _weights[name] = weight;

        if (Config.Rope is { } rope) _rope = new(() => RopeTable.Build(rope, Config.HeadDim, Config.MaxPositions, ropeLength));
    }

    /// <summary>The config.</summary>
    public ModelConfig Config { get; }

    /// <summary>Element type of the matrices.</summary>
    public DType WeightType { get; }

    /// <summary>Element types of matrices that have another than <see cref="WeightType"/>, by name.</summary>
    public IReadOnlyDictionary<string, DType> WeightTypes { get; }

    /// <summary>Bytes of weights that are still to be read; their memory is laid out, and not taken yet.</summary>
    public long PendingBytes { get; private set; }

    /// <summary>Names of the weights, in order of use.</summary>
    public IEnumerable<string> WeightNames => _types.Keys;

    /// <summary>Number of weights' elements.</summary>
    public long NumParameters => _types.Values.Sum(t => t.Width);

    /// <summary>Whether a token ends a text.</summary>
    public bool IsEndOfText(int token) => Config.EosTokenIds.Contains(token);

    /// <summary>Reads a Hugging Face directory or a GGUF file; every weight must be there, in its shape, and nothing else.</summary>
    /// <param name="path">The directory, or the file.</param>
    /// <param name="ropeLength">As for the constructor.</param>
    /// <param name="weightType">
    /// Element type of the matrices in memory; null is the one they are stored in: for a directory one for all (f32 where that is not f32, bf16 or f16 for all), for a GGUF
    /// file each matrix its own.
    /// </param>
    /// <param name="prepare">Called before the first weight is read, to make or refuse what else the model will need; null only compares the weights with the memory there is.</param>
    /// <exception cref="TandemException">A file is missing or malformed, the weights are not those of the config, or they need more memory than there is.</exception>
    public static Model Load(string path, int ropeLength = 0, DType? weightType = DType.F32, Action<Model>? prepare = null)
    {
        prepare ??= model => MachineMemory.Own.Require($"'{path}'", "accepted: a model of a smaller type (tandem quantize), or with fewer weights", ("weights", model.PendingBytes));
        if (GgufModel.IsGguf(path))
        {
            using GgufModel file = GgufModel.Open(path);
            return Load(file.Config, file.Tensors, ropeLength, weightType, keepTypes: weightType == null, path, prepare);
        }

        using HfDirectory directory = HfDirectory.Open(path);
        return Load(directory.ReadConfig(), directory.Tensors, ropeLength, weightType, keepTypes: false, path, prepare);
    }

    /// <summary>The stored tensors that are the model's weights, in order of use: all of them, and nothing else.</summary>
    /// <exception cref="TandemException">The checkpoint holds something else.</exception>
    internal static IReadOnlyList<StoredTensor> MatchWeights(ModelConfig config, CheckpointTensors tensors, string place)
    {
        ModelFamily family = ModelFamilies.Get(config.ModelType, place);

        // Before a graph is made of them: every layer has tensors.
        if (config.NumLayers > tensors.All.Count) throw new TandemException($"{place}: the config has {config.NumLayers:N0} layers, and the checkpoint {tensors.All.Count:N0} tensors; accepted: at least one a layer");
        ExpectedTensor[] expected = [.. ModelGraphs.Evaluate(config).Parameters.Select(p => new ExpectedTensor(p.Name, LogicalShape(p.Type)))];
        return tensors.AddPrefixIfAbsent(family.NamePrefix, "lm_head.*").Load(expected, [.. family.IgnoredTensors, .. config.TieWordEmbeddings ? ["lm_head.weight"] : (string[])[]]);
    }

    private static Model Load(ModelConfig config, CheckpointTensors tensors, int ropeLength, DType? weightType, bool keepTypes, string place, Action<Model> prepare)
    {
        // Compared before any memory is taken: the sizes a config claims are as good as the files behind it.
        IReadOnlyList<StoredTensor> stored = MatchWeights(config, tensors, place);
        Dictionary<string, DType>? types = keepTypes ? stored.Where(t => t.Shape.Rank > 1).ToDictionary(t => t.Name, t => t.ElementType is DType.F64 or null ? DType.F32 : t.ElementType.Value) : null;
        var model = new Model(config, ropeLength, weightType ?? (keepTypes ? DType.F32 : WeightLoader.CommonType(stored)), types);
        try
        {
            model.PendingBytes = model._memory.Bytes;
            prepare(model);
            WeightLoader.Load([.. stored.Select(t => (t, model._types[t.Name], model._weights[t.Name]))]);
            model.PendingBytes = 0;
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Writes a Hugging Face directory. Each file is written beside its place and renamed, so a crash leaves the old one or the new one.</summary>
    /// <param name="folder">The directory.</param>
    /// <param name="type">Element type in the files: f32, bf16 or f16; null is the one the config names, or f32.</param>
    /// <exception cref="TandemException">It cannot be written, or not in that type.</exception>
    public void Save(string folder, DType? type = null)
    {
        DType stored = type ?? (Config.StoredDType is DType.BF16 or DType.F16 ? Config.StoredDType.Value : DType.F32);
        if (stored is not (DType.F32 or DType.BF16 or DType.F16))
            throw new TandemException($"cannot write '{folder}' in {stored.Name()}; accepted: f32, bf16, f16");
        HfDirectoryWriter.Write(
            folder,
            (Config with { StoredDType = stored }).ToJson(),
            [.. _types.Select(t => LogicalTensor(t.Key, t.Value, _weights[t.Key].Pointer, stored))],
            GenerationConfig.From(Config).ToJson(),
            overwrite: true);
    }

    /// <summary>A tensor in memory as a checkpoint sees it: rows one after another, without the padding of its layout.</summary>
    /// <param name="name">The name in the checkpoint.</param>
    /// <param name="type">How it lies in memory: f32, bf16 or f16.</param>
    /// <param name="memory">Its memory.</param>
    /// <param name="stored">Element type in the checkpoint: f32, bf16 or f16; null is that in memory.</param>
    public static TensorSource LogicalTensor(string name, TensorType type, byte* memory, DType? stored = null)
    {
        nint start = (nint)memory;
        DType target = stored ?? type.DType;
        return new TensorSource(name, target, LogicalShape(type), (first, destination) =>
        {
            if (target == DType.F32)
            {
                Layouts.Unpack(type, (byte*)start, first, MemoryMarshal.Cast<byte, float>(destination));
                return;
            }

            float[] rented = ArrayPool<float>.Shared.Rent(destination.Length / target.Size());
            Span<float> rows = rented.AsSpan(0, destination.Length / target.Size());
            Layouts.Unpack(type, (byte*)start, first, rows);
            if (target == DType.BF16) Conversions.ToBFloat16(rows, MemoryMarshal.Cast<byte, BFloat16>(destination));
            else Conversions.ToHalf(rows, MemoryMarshal.Cast<byte, Half>(destination));
            ArrayPool<float>.Shared.Return(rented);
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
        if (_rope != null) bindings[DecoderInputs.RopeTable] = _rope.Value.Buffer;
        return bindings;
    }

    /// <summary>Draws all weights: matrices from N(0, deviation), projections into the residual stream from N(0, deviation / sqrt(2 layers)), norms 1, biases 0.</summary>
    public void Initialize(ulong seed, double deviation = 0.02)
    {
        IReadOnlyList<string> residual = ModelFamilies.Get(Config.ModelType, "model config").ResidualProjections;
        foreach ((string name, TensorType type) in _types)
        {
            var rows = new float[type.Width];
            if (type.Dims.Length == 2)
            {
                bool intoResidual = residual.Any(end => name.EndsWith(end, StringComparison.Ordinal));
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
        _memory.Dispose();
        if (_rope is { IsValueCreated: true }) _rope.Value.Dispose();
    }
}
