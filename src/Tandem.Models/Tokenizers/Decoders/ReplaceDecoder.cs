using System.Text.Json;

namespace Tandem.Models;

/// <summary>Replaces a string in each token.</summary>
internal sealed class ReplaceDecoder(string pattern, string content) : Decoder
{
    /// <inheritdoc/>
    public override bool TakesParts => pattern.Length == 1;

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, pattern, content);

    /// <summary>Reads the part.</summary>
    public static ReplaceDecoder Parse(JsonElement part, string place)
    {
        JsonElement pattern = PartJson.Need(part, place, "pattern");
        if (pattern.ValueKind != JsonValueKind.Object || !pattern.TryGetProperty("String", out JsonElement text))
            throw new TandemException($"{place}.pattern: {PartJson.Short(pattern)} is not supported, wanted a String");
        string found = PartJson.String(text, $"{place}.pattern.String");
        if (found.Length == 0) throw new TandemException($"{place}.pattern.String: is empty, wanted at least one character");
        return new ReplaceDecoder(found, PartJson.String(PartJson.Need(part, place, "content"), $"{place}.content"));
    }

    private sealed class Run(DecoderRun next, string pattern, string content) : DecoderRun
    {
        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            if (token.Contains(pattern, StringComparison.Ordinal)) next.Push(token.ToString().Replace(pattern, content, StringComparison.Ordinal), begins);
            else next.Push(token, begins);
        }

        public override void End() => next.End();
    }
}
