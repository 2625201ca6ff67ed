using System.Text.Json;

namespace Tandem.Models;

/// <summary>What there is without a decoder: tokens with spaces between them.</summary>
internal sealed class JoinDecoder : Decoder
{
    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => json.WriteNullValue();

    private sealed class Run(DecoderRun next) : MapRun(next)
    {
        protected override ReadOnlySpan<char> Map(ReadOnlySpan<char> token, int index) => index == 0 ? token : $" {token}";
    }
}
