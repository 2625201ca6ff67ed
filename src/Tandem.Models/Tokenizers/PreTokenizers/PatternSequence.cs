using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tandem.Models;

/// <summary>
/// Expressions that cut one after another, each the pieces of the one before, for a model over bytes: what a <c>tokenizer.json</c> has as a sequence of Splits
/// and ByteLevel.
/// </summary>
internal static class PatternSequence
{
    /// <summary>Makes the pre-tokenizer.</summary>
    /// <exception cref="TandemException">An expression is malformed, or has what is not supported.</exception>
    public static PreTokenizer Make(IReadOnlyList<string> expressions, string place)
    {
        var parts = new JsonArray();
        foreach (string expression in expressions)
        {
            JsonNode split = new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = expression }, ["behavior"] = nameof(SplitBehavior.Isolated), ["invert"] = false };
            parts.Add(split);
        }

        JsonNode bytes = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = false };
        parts.Add(bytes);
        using JsonDocument json = JsonDocument.Parse(new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = parts }.ToJsonString());
        return PreTokenizer.Read(json.RootElement, place)!;
    }
}
