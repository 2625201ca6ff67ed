using System.Text.Json;

namespace Tandem.Models;

/// <summary>Several post-processors; at most one of them has a template.</summary>
internal sealed class SequencePostProcessor : PostProcessor
{
    private readonly PostProcessor[] _parts;
    private readonly PostProcessor? _template;

    /// <summary>Makes the sequence.</summary>
    /// <exception cref="TandemException">Two parts have templates.</exception>
    public SequencePostProcessor(PostProcessor[] parts, string place)
    {
        _parts = parts;
        PostProcessor[] templates = [.. parts.Where(p => p.HasTemplate)];
        if (templates.Length > 1) throw new TandemException($"{place}: {templates.Length} parts put special tokens in, wanted at most one");
        _template = templates.FirstOrDefault();
    }

    /// <inheritdoc/>
    public override TemplatePart[] Single => _template?.Single ?? base.Single;

    /// <inheritdoc/>
    public override TemplatePart[] Pair => _template?.Pair ?? base.Pair;

    /// <inheritdoc/>
    public override bool HasTemplate => _template != null;

    /// <inheritdoc/>
    public override EncodedToken Trim(EncodedToken token, bool first, string text) => _parts.Aggregate(token, (t, part) => part.Trim(t, first, text));

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "Sequence");
        json.WriteStartArray("processors");
        foreach (PostProcessor part in _parts) part.Write(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
