using System.Text.Json;

namespace Tandem.Models;

/// <summary>BERT's template: cls A sep, and cls A sep B sep, the second sequence with its sep as type 1.</summary>
internal sealed class BertPostProcessor((string Text, int Id) cls, (string Text, int Id) sep) : PostProcessor
{
    /// <inheritdoc/>
    public override TemplatePart[] Single => [new(-1, 0, [cls.Id]), new(0, 0, []), new(-1, 0, [sep.Id])];

    /// <inheritdoc/>
    public override TemplatePart[] Pair => [.. Single, new(1, 1, []), new(-1, 1, [sep.Id])];

    /// <inheritdoc/>
    public override bool HasTemplate => true;

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "BertProcessing");
        WriteToken(json, "sep", sep);
        WriteToken(json, "cls", cls);
        json.WriteEndObject();
    }

    /// <summary>Reads the part.</summary>
    public static BertPostProcessor Parse(JsonElement part, string place) => new(Token(part, place, "cls"), Token(part, place, "sep"));
}
