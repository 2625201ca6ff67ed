using System.Text.Json;

namespace Tandem.Models;

/// <summary>Templates written out: special tokens and sequences with their type ids.</summary>
internal sealed class TemplatePostProcessor : PostProcessor
{
    private readonly JsonElement _json;

    private TemplatePostProcessor(JsonElement json, TemplatePart[] single, TemplatePart[] pair)
    {
        _json = json;
        Single = single;
        Pair = pair;
    }

    /// <inheritdoc/>
    public override TemplatePart[] Single { get; }

    /// <inheritdoc/>
    public override TemplatePart[] Pair { get; }

    /// <inheritdoc/>
    public override bool HasTemplate => true;

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => _json.WriteTo(json);

    /// <summary>Reads the part.</summary>
    public static TemplatePostProcessor Parse(JsonElement part, string place)
    {
        TemplatePart[] single = Template(part, place, "single"), pair = Template(part, place, "pair");
        if (single.Count(p => p.Sequence == 0) != 1 || single.Any(p => p.Sequence == 1)) throw new TandemException($"{place}.single: wanted sequence A once and no B");
        if (pair.Count(p => p.Sequence == 0) != 1 || pair.Count(p => p.Sequence == 1) != 1) throw new TandemException($"{place}.pair: wanted the sequences A and B once each");
        return new TemplatePostProcessor(part.Clone(), single, pair);
    }

    private static TemplatePart[] Template(JsonElement part, string place, string name) => [.. PartJson.Items(part, place, name).Select(i => Piece(part, place, i.Item, i.Place))];

    private static TemplatePart Piece(JsonElement part, string place, JsonElement piece, string at)
    {
        if (piece.ValueKind == JsonValueKind.Object && piece.TryGetProperty("Sequence", out JsonElement sequence))
        {
            string id = PartJson.String(PartJson.Need(sequence, at, "id"), $"{at}.Sequence.id");
            return new TemplatePart(id switch { "A" => 0, "B" => 1, _ => throw new TandemException($"{at}.Sequence.id: '{id}', wanted A or B") }, TypeId(sequence, at), []);
        }

        JsonElement special = PartJson.Need(piece, at, "SpecialToken");
        string token = PartJson.String(PartJson.Need(special, at, "id"), $"{at}.SpecialToken.id");
        JsonElement known = PartJson.Need(PartJson.Need(part, place, "special_tokens"), $"{place}.special_tokens", token);
        return new TemplatePart(-1, TypeId(special, at), [.. PartJson.Items(known, $"{place}.special_tokens.{token}", "ids").Select(i => PartJson.Id(i.Item, i.Place))]);
    }

    private static int TypeId(JsonElement element, string at) => PartJson.Id(PartJson.Need(element, at, "type_id"), $"{at}.type_id");
}
