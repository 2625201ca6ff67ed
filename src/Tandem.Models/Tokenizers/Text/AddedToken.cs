using System.Text.Json;

namespace Tandem.Models;

/// <summary>A token that is cut from the text before anything else happens to it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
public sealed record AddedToken(int Id, string Content)
{
    /// <summary>Whether it is a control token: skipped when decoding, and found in a text only where that is asked for.</summary>
    public bool Special { get; init; }

    /// <summary>Whether it is found only where neither neighbour is a letter, number, mark or underscore.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether it swallows the white space before it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>Whether it swallows the white space behind it.</summary>
    public bool RightStrip { get; init; }

    /// <summary>Whether it is looked for in the normalized text, its own content normalized too.</summary>
    public bool Normalized { get; init; }

    internal static AddedToken Read(JsonElement token, string place)
    {
        string content = PartJson.String(PartJson.Need(token, place, "content"), $"{place}.content");
        if (content.Length == 0) throw new TandemException($"{place}.content: is empty, wanted at least one character");
        bool special = PartJson.Bool(token, place, "special", false);
        return new AddedToken(PartJson.Id(PartJson.Need(token, place, "id"), $"{place}.id"), content)
        {
            Special = special,
            SingleWord = PartJson.Bool(token, place, "single_word", false),
            LeftStrip = PartJson.Bool(token, place, "lstrip", false),
            RightStrip = PartJson.Bool(token, place, "rstrip", false),
            Normalized = PartJson.Bool(token, place, "normalized", !special),
        };
    }

    internal void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("id", Id);
        json.WriteString("content", Content);
        json.WriteBoolean("single_word", SingleWord);
        json.WriteBoolean("lstrip", LeftStrip);
        json.WriteBoolean("rstrip", RightStrip);
        json.WriteBoolean("normalized", Normalized);
        json.WriteBoolean("special", Special);
        json.WriteEndObject();
    }
}
