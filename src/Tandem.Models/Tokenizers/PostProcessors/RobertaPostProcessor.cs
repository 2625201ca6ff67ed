using System.Text.Json;

namespace Tandem.Models;

/// <summary>RoBERTa's template: cls A sep, and cls A sep sep B sep.</summary>
internal sealed class RobertaPostProcessor((string Text, int Id) cls, (string Text, int Id) sep, bool addPrefixSpace, bool trimOffsets) : PostProcessor
{
    /// <inheritdoc/>
    public override TemplatePart[] Single => [new(-1, 0, [cls.Id]), new(0, 0, []), new(-1, 0, [sep.Id])];

    /// <inheritdoc/>
    public override TemplatePart[] Pair => [.. Single, new(-1, 0, [sep.Id]), new(1, 0, []), new(-1, 0, [sep.Id])];

    /// <inheritdoc/>
    public override bool HasTemplate => true;

    /// <inheritdoc/>
    public override EncodedToken Trim(EncodedToken token, bool first, string text) => trimOffsets ? ByteLevelPostProcessor.TrimSpaces(token, first, text, addPrefixSpace) : token;

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "RobertaProcessing");
        WriteToken(json, "sep", sep);
        WriteToken(json, "cls", cls);
        json.WriteBoolean("trim_offsets", trimOffsets);
        json.WriteBoolean("add_prefix_space", addPrefixSpace);
        json.WriteEndObject();
    }

    /// <summary>Reads the part.</summary>
    public static RobertaPostProcessor Parse(JsonElement part, string place) => new(
        Token(part, place, "cls"), Token(part, place, "sep"), PartJson.Bool(part, place, "add_prefix_space", true), PartJson.Bool(part, place, "trim_offsets", true));
}
