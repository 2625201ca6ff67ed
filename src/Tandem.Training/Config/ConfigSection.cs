using Tandem.Models;

namespace Tandem.Training;

/// <summary>Keys of a configuration that belong together: some of the top level's, or those of a nested object.</summary>
/// <param name="Title">What they are about.</param>
/// <param name="Object">Name of the nested object; empty for the top level.</param>
/// <param name="Keys">The keys.</param>
public sealed record ConfigSection(string Title, string Object, IReadOnlyList<ConfigKey> Keys)
{
    /// <summary>Checks that exactly the table's keys were asked for, so that documentation, schema and reader cannot part.</summary>
    /// <exception cref="InvalidOperationException">They were not: a bug.</exception>
    internal static void RequireAllRead(ConfigReader reader, string place, IEnumerable<ConfigKey> keys)
    {
        string[] table = [.. keys.Select(k => k.Name)];
        string[] wrong = [.. table.Where(k => !reader.KeysRead.Contains(k)), .. reader.KeysRead.Where(k => !table.Contains(k))];
        if (wrong.Length > 0) throw new InvalidOperationException($"keys of {place} that are in its table or read, but not both: {string.Join(", ", wrong)}; this is a bug");
    }
}
