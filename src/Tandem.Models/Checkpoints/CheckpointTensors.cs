using System.IO.Enumeration;
using System.Text;

namespace Tandem.Models;

/// <summary>A tensor a model needs: its name in the checkpoint and its sizes.</summary>
/// <param name="Name">The name.</param>
/// <param name="Shape">The sizes, outermost first.</param>
public readonly record struct ExpectedTensor(string Name, Shape Shape);

/// <summary>The tensors of a checkpoint, of one file or of many, by name.</summary>
public sealed class CheckpointTensors
{
    private const int MaxListed = 50;

    private readonly string _place;
    private readonly Dictionary<string, StoredTensor> _byName = [];

    /// <summary>Collects tensors. <paramref name="place"/> names the checkpoint in errors.</summary>
    /// <exception cref="TandemException">A name occurs twice.</exception>
    public CheckpointTensors(string place, IEnumerable<StoredTensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        _place = place;
        foreach (var tensor in tensors)
        {
            if (!_byName.TryAdd(tensor.Name, tensor))
                throw new TandemException($"{place}: tensor {CheckpointException.Quote(tensor.Name)} is in '{_byName[tensor.Name].File}' and in '{tensor.File}'");
        }

        All = [.. _byName.Values];
    }

    /// <summary>All tensors, in the order they were given.</summary>
    public IReadOnlyList<StoredTensor> All { get; }

    /// <summary>The tensor of that name, or null.</summary>
    public StoredTensor? TryGet(string name) => _byName.GetValueOrDefault(name);

    /// <summary>
    /// The same tensors with <paramref name="prefix"/> put before every name, unless some name has it already. Names that match one of
    /// <paramref name="except"/> keep theirs. For published checkpoints of a bare model, such as GPT-2 without <c>transformer.</c>.
    /// </summary>
    public CheckpointTensors AddPrefixIfAbsent(string prefix, params string[] except)
    {
        if (All.Any(x => x.Name.StartsWith(prefix, StringComparison.Ordinal)))
            return this;
        return new(_place, All.Select(x => Matches(x.Name, except) ? x : x.Renamed(prefix + x.Name)));
    }

    /// <summary>
    /// Matches the checkpoint against what a model needs, and reports everything that is missing, unexpected, of another shape or of a type
    /// that is no weight, in one error.
    /// </summary>
    /// <param name="expected">What the model needs.</param>
    /// <param name="ignore">Patterns (<c>*</c> is any run of characters) of stored tensors that may be left over, for example <c>*.rotary_emb.inv_freq</c>.</param>
    /// <returns>The stored tensors in the order of <paramref name="expected"/>.</returns>
    /// <exception cref="TandemException">Checkpoint and model do not agree.</exception>
    public IReadOnlyList<StoredTensor> Load(IReadOnlyList<ExpectedTensor> expected, params string[] ignore)
    {
        ArgumentNullException.ThrowIfNull(expected);
        var found = new StoredTensor[expected.Count];
        var missing = new List<string>();
        var wrong = new List<string>();
        var used = new HashSet<string>(expected.Count);
        for (var i = 0; i < found.Length; i++)
        {
            var (name, shape) = expected[i];
            used.Add(name);
            var tensor = TryGet(name);
            if (tensor is null)
            {
                missing.Add($"{name} {shape}");
                continue;
            }

            found[i] = tensor;
            if (tensor.Shape != shape)
                wrong.Add($"{name}: stored {tensor.Shape}, needed {shape}");
            else if (!tensor.Type.IsConvertible() && tensor.BlockType == null)
                wrong.Add($"{name}: stored as {tensor.Type.Name()}, accepted F64, F32, F16, BF16, F8_E4M3, F8_E5M2");
        }

        var unexpected = All.Where(x => !used.Contains(x.Name) && !Matches(x.Name, ignore)).Select(x => $"{Shown(x.Name)} {x.Shape}").ToList();
        if (missing.Count + wrong.Count + unexpected.Count == 0)
            return found;

        var message = new StringBuilder($"{_place} does not fit the model described by its config:");
        Report(message, "missing", missing);
        Report(message, "of another shape or type", wrong);
        Report(message, "unexpected", unexpected);
        throw new TandemException(message.ToString());
    }

    private static bool Matches(string name, string[] patterns) =>
        Array.Exists(patterns, pattern => FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));

    private static string Shown(string name)
    {
        var quoted = CheckpointException.Quote(name);
        return quoted[1..^1];
    }

    private static void Report(StringBuilder message, string what, List<string> lines)
    {
        if (lines.Count == 0)
            return;
        message.Append($"\n{lines.Count} {what}:");
        foreach (var line in lines.Take(MaxListed))
            message.Append("\n  ").Append(line);
        if (lines.Count > MaxListed)
            message.Append($"\n  and {lines.Count - MaxListed} more");
    }
}
