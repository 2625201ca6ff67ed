using System.Text.Json;

namespace Tandem.Models;

/// <summary>A place in a template: a sequence (0 or 1), or ids that are put in (-1).</summary>
internal readonly record struct TemplatePart(int Sequence, int TypeId, int[] Ids);

/// <summary>What is done to encoded sequences at last: their offsets trimmed, special tokens put around them.</summary>
internal abstract class PostProcessor
{
    private const string Supported = "ByteLevel, BertProcessing, RobertaProcessing, TemplateProcessing, Sequence";

    private static readonly TemplatePart[] Plain = [new(0, 0, []), new(1, 0, [])];

    /// <summary>What surrounds one sequence.</summary>
    public virtual TemplatePart[] Single => Plain[..1];

    /// <summary>What surrounds two.</summary>
    public virtual TemplatePart[] Pair => Plain;

    /// <summary>Whether it says where special tokens go.</summary>
    public virtual bool HasTemplate => false;

    /// <summary>A token of <paramref name="text"/> with its offsets as this part wants them.</summary>
    public virtual EncodedToken Trim(EncodedToken token, bool first, string text) => token;

    /// <summary>Writes the part as in <c>tokenizer.json</c>.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>Reads a token with its id.</summary>
    protected static (string Text, int Id) Token(JsonElement part, string place, string name)
    {
        JsonElement[] pair = [.. PartJson.Items(part, place, name).Select(i => i.Item)];
        return pair.Length == 2 ? (PartJson.String(pair[0], $"{place}.{name}[0]"), PartJson.Id(pair[1], $"{place}.{name}[1]"))
            : throw new TandemException($"{place}.{name}: {pair.Length} items, wanted a token and its id");
    }

    /// <summary>Writes a token with its id.</summary>
    protected static void WriteToken(Utf8JsonWriter json, string name, (string Text, int Id) token)
    {
        json.WriteStartArray(name);
        json.WriteStringValue(token.Text);
        json.WriteNumberValue(token.Id);
        json.WriteEndArray();
    }

    /// <summary>Reads the part; null is none.</summary>
    public static PostProcessor? Read(JsonElement part, string place)
    {
        if (part.ValueKind == JsonValueKind.Null) return null;
        string kind = PartJson.Type(part, place);
        return kind switch
        {
            "ByteLevel" => ByteLevelPostProcessor.Parse(part, place),
            "BertProcessing" => BertPostProcessor.Parse(part, place),
            "RobertaProcessing" => RobertaPostProcessor.Parse(part, place),
            "TemplateProcessing" => TemplatePostProcessor.Parse(part, place),
            "Sequence" => new SequencePostProcessor([.. PartJson.Items(part, place, "processors").Select(p => Read(p.Item, p.Place)!)], place),
            _ => throw PartJson.Unsupported(place, kind, Supported),
        };
    }
}
