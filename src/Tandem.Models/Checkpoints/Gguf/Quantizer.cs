using System.IO.Enumeration;

namespace Tandem.Models;

/// <summary>Types of tensors by their names, before the recipe's.</summary>
/// <param name="Pattern">The name; * is any run of characters.</param>
/// <param name="Type">The type.</param>
public readonly record struct TypeOverride(string Pattern, DType Type);

/// <summary>A tensor of a file that is made.</summary>
/// <param name="Name">The name.</param>
/// <param name="Shape">The sizes, outermost first.</param>
/// <param name="From">The type it was stored in.</param>
/// <param name="To">The type it gets.</param>
/// <param name="Bytes">Its size in that type.</param>
public sealed record QuantizedTensor(string Name, Shape Shape, DType From, DType To, long Bytes)
{
    /// <summary>Root of the mean square of the errors, relative to that of the values; null before it is written.</summary>
    public double? Error { get; internal set; }
}

/// <summary>Writes a model as a GGUF file with other element types, row by row on all processors.</summary>
public sealed unsafe class Quantizer
{
    private const int GroupRows = 16;

    private readonly GgufContent _content;
    private readonly QuantizationRecipe _recipe;
    private readonly IReadOnlyDictionary<string, float[]> _importance;

    /// <summary>Decides every tensor's type.</summary>
    /// <param name="content">The model.</param>
    /// <param name="recipe">The types.</param>
    /// <param name="overrides">Types of single tensors; of several that match the last counts.</param>
    /// <param name="importance">For each tensor by its name in GGUF files what the square of an error in each column counts; null or a missing name is not known.</param>
    /// <exception cref="TandemException">A tensor is quantized already, rows do not fit an override, or a type needs an importance and there is none.</exception>
    public Quantizer(GgufContent content, QuantizationRecipe recipe, IReadOnlyList<TypeOverride>? overrides = null, IReadOnlyDictionary<string, float[]>? importance = null)
    {
        _content = content;
        _recipe = recipe;
        _importance = importance ?? new Dictionary<string, float[]>();
        Tensors = [.. content.Tensors.Select(t => Choose(t, overrides ?? []))];
        foreach (TypeOverride unused in (overrides ?? []).Where(o => !content.Tensors.Any(t => Matches(o, t))))
            throw new TandemException($"no tensor's name matches '{unused.Pattern}'; names are for example {string.Join(", ", content.Tensors.Take(3).Select(t => t.Name))}");
    }

    /// <summary>All tensors with their types.</summary>
    public IReadOnlyList<QuantizedTensor> Tensors { get; }

    /// <summary>Writes the file and notes the errors.</summary>
    /// <exception cref="TandemException">A value does not fit the type, or the file cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; nothing is left of the file.</exception>
    public void Write(string path, Action<WriteProgress>? progress = null, CancellationToken cancel = default)
    {
        List<KeyValuePair<string, GgufValue>> metadata = [.. _content.Metadata.Where(m => m.Key is not (GgufMetadata.FileTypeKey or GgufMetadata.QuantizationVersionKey))];
        if (_recipe.FileType is { } number) metadata.Add(new(GgufMetadata.FileTypeKey, GgufValue.Of(number)));
        metadata.Add(new(GgufMetadata.QuantizationVersionKey, GgufValue.Of(2u)));
        GgufWriter.Write(path, metadata, [.. _content.Tensors.Zip(Tensors, Source)], progress, cancel);
    }

    private static bool Matches(TypeOverride rule, GgufTensorView tensor) => FileSystemName.MatchesSimpleExpression(rule.Pattern, tensor.Name, ignoreCase: false);

    private QuantizedTensor Choose(GgufTensorView tensor, IReadOnlyList<TypeOverride> overrides)
    {
        DType? recipe = _recipe.TypeOf(tensor.Name, tensor.Shape, _content.Traits);
        DType type = recipe ?? (tensor.Type is DType.F64 ? DType.F32 : tensor.Type);
        if (overrides.LastOrDefault(o => Matches(o, tensor)) is { Pattern: not null } rule)
        {
            type = rule.Type;
            if (tensor.RowElements % type.BlockElements() != 0)
                throw new TandemException($"tensor {tensor.Name} has rows of {tensor.RowElements} elements; accepted for {type.Name()}: multiples of {type.BlockElements()}");
        }

        if (tensor.Type.IsBlock() && type != tensor.Type)
            throw new TandemException($"tensor {tensor.Name} is stored as {tensor.Type.Name()}: what is quantized once is not quantized again; accepted: models of f32, f16 or bf16");
        if (type.IsBlock() && type != tensor.Type && Blocks.NeedsImportance(type) && !_importance.ContainsKey(tensor.Name))
            throw new TandemException($"tensor {tensor.Name}: {type.Name()} is only written with the importance of its columns; give an importance file, or another type");
        if (_importance.TryGetValue(tensor.Name, out float[]? columns) && columns.Length != tensor.RowElements)
            throw new TandemException($"the importance of {tensor.Name} has {columns.Length} columns; accepted: {tensor.RowElements}");
        return new QuantizedTensor(tensor.Name, tensor.Shape, tensor.Type, type, tensor.Shape.Bytes(type));
    }

    private TensorSource Source(GgufTensorView tensor, QuantizedTensor target)
    {
        if (target.To == target.From || tensor.RowElements == 0) return tensor.As(target.To);
        double error = 0, total = 0;
        return new TensorSource(tensor.Name, target.To, tensor.Shape, (first, destination) =>
        {
            fixed (byte* to = destination)
            {
                (double pieceError, double pieceTotal) = Encode(tensor, target.To, first / tensor.RowElements, (nint)to, destination.Length);
                error += pieceError;
                total += pieceTotal;
                target.Error = total > 0 ? Math.Sqrt(error / total) : 0;
            }
        });
    }

    private (double Error, double Total) Encode(GgufTensorView tensor, DType type, long firstRow, nint to, int bytes)
    {
        int columns = tensor.RowElements, rowBytes = checked((int)type.Bytes(columns)), rows = bytes / rowBytes, groups = (rows + GroupRows - 1) / GroupRows;
        float[] importance = type.IsBlock() ? _importance.GetValueOrDefault(tensor.Name, []) : [];

        // Sums by group, added in order: the figure does not depend on threads.
        var sums = new (double Error, double Total)[groups];
        try
        {
            Parallel.For(0, groups, () => new float[(GroupRows + 1) * columns], (group, _, buffer) =>
            {
                int height = Math.Min(GroupRows, rows - (group * GroupRows));
                fixed (float* values = buffer) tensor.ReadRows(DType.F32, firstRow + (group * GroupRows), height, (byte*)values);
                for (int i = 0; i < height; i++)
                {
                    ReadOnlySpan<float> row = buffer.AsSpan(i * columns, columns);
                    Span<float> decoded = buffer.AsSpan(GroupRows * columns, columns);
                    var blocks = new Span<byte>((byte*)to + (((group * GroupRows) + i) * (long)rowBytes), rowBytes);
                    Blocks.Encode(type, row, importance, blocks);
                    Blocks.Decode(type, blocks, decoded);
                    Add(ref sums[group], row, decoded);
                }

                return buffer;
            }, _ => { });
        }
        catch (AggregateException e) when (e.InnerExceptions[0] is TandemException inner)
        {
            throw new TandemException($"tensor {tensor.Name}: {inner.Message}", inner);
        }

        return (sums.Sum(s => s.Error), sums.Sum(s => s.Total));
    }

    private static void Add(ref (double Error, double Total) sum, ReadOnlySpan<float> values, ReadOnlySpan<float> decoded)
    {
        double error = 0, total = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double difference = (double)values[i] - decoded[i];
            error += difference * difference;
            total += (double)values[i] * values[i];
        }

        sum = (sum.Error + error, sum.Total + total);
    }
}
