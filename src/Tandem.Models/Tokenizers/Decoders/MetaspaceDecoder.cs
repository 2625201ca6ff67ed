using System.Text.Json;

namespace Tandem.Models;

/// <summary>The replacement character becomes a space again; those of the first token go where the pre-tokenizer puts one there.</summary>
internal sealed class MetaspaceDecoder(char replacement, bool prepends) : Decoder
{
    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, replacement, prepends);

    /// <summary>Reads the part.</summary>
    public static MetaspaceDecoder Parse(JsonElement part, string place)
    {
        (char replacement, PrependScheme scheme, _) = MetaspacePreTokenizer.ParseOptions(part, place);
        return new MetaspaceDecoder(replacement, scheme != PrependScheme.Never);
    }

    private sealed class Run(DecoderRun next, char replacement, bool prepends) : MapRun(next)
    {
        protected override ReadOnlySpan<char> Map(ReadOnlySpan<char> token, int index)
        {
            if (!token.Contains(replacement)) return token;
            return index == 0 && prepends
                ? token.ToString().Replace(replacement.ToString(), "", StringComparison.Ordinal)
                : token.ToString().Replace(replacement, ' ');
        }
    }
}
