using System.Text.Json;

namespace Tandem.Models;

/// <summary>Several normalizers one after another.</summary>
internal sealed class SequenceNormalizer(Normalizer[] parts) : Normalizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        foreach (Normalizer part in parts) text = part.Apply(text);
        return text;
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("normalizers");
        foreach (Normalizer part in parts) part.Write(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
