using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tandem.Models;

/// <summary>The template of tokens that begin and end texts, for formats that only say which those are.</summary>
internal static class BosEosTemplate
{
    /// <summary>Makes it: of one text bos A eos, of two bos A eos sep B eos, each token only where there is one. Null if there is none.</summary>
    public static PostProcessor? Make((string Text, int Id)? bos, (string Text, int Id)? eos, (string Text, int Id)? sep = null)
    {
        (string Text, int Id)?[] tokens = [bos, eos, sep];
        if (tokens.All(t => t == null)) return null;
        var special = new JsonObject();
        foreach ((string text, int id) in tokens.OfType<(string Text, int Id)>().DistinctBy(t => t.Text))
            special[text] = new JsonObject { ["id"] = text, ["ids"] = new JsonArray(id), ["tokens"] = new JsonArray(text) };
        var template = new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = Items(bos, "A", eos),
            ["pair"] = Items(bos, "A", eos, sep, "B", eos),
            ["special_tokens"] = special,
        };
        using JsonDocument json = JsonDocument.Parse(template.ToJsonString());
        return PostProcessor.Read(json.RootElement, "post_processor");
    }

    private static JsonArray Items(params object?[] items)
    {
        var list = new JsonArray();
        foreach (object item in items.OfType<object>())
        {
            JsonNode node = item is string sequence
                ? new JsonObject { ["Sequence"] = new JsonObject { ["id"] = sequence, ["type_id"] = 0 } }
                : new JsonObject { ["SpecialToken"] = new JsonObject { ["id"] = (((string Text, int Id))item).Text, ["type_id"] = 0 } };
            list.Add(node);
        }

        return list;
    }
}
