using System.Text.Json;
using Tandem.Graph;

namespace Tandem.Models;

/// <summary>
/// What the library needs to know of a family of models; everything else about it is private to its file. A family's file has a <c>Family</c>,
/// and <see cref="ModelFamilies"/> lists it.
/// </summary>
/// <param name="ModelType"><c>model_type</c> in config.json.</param>
/// <param name="Architecture">The entry of <c>architectures</c> in config.json.</param>
internal sealed record ModelFamily(string ModelType, string Architecture)
{
    /// <summary>The graph from token ids to what the output head reads, [T, H].</summary>
    public required Func<GraphBuilder, ModelConfig, KvPlacement, Value> Hidden { get; init; }

    /// <summary>The output head's weight, [V, H].</summary>
    public required Func<GraphBuilder, ModelConfig, Value> Head { get; init; }

    /// <summary>Reads the family's keys of config.json; the keys that all families share are filled in afterwards.</summary>
    public required Func<ConfigReader, ModelConfig> ReadConfig { get; init; }

    /// <summary>Writes the family's keys of config.json.</summary>
    public required Action<Utf8JsonWriter, ModelConfig> WriteConfig { get; init; }

    /// <summary>What the names of all weights but the output head's start with; files of a bare model lack it.</summary>
    public required string NamePrefix { get; init; }

    /// <summary>Patterns of stored tensors that are no weights: masks and tables that old files carry along.</summary>
    public IReadOnlyList<string> IgnoredTensors { get; init; } = [];

    /// <summary>Ends of the names of the projections into the residual stream, which start smaller the more layers there are.</summary>
    public required IReadOnlyList<string> ResidualProjections { get; init; }
}
