namespace Tandem.Models;

/// <summary>The suffix that ends words becomes a space, and nothing in the last token; so each token waits for the next.</summary>
internal sealed class BpeDecoder(string suffix) : Decoder
{
    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, suffix);

    private sealed class Run(DecoderRun next, string suffix) : DecoderRun
    {
        private string? _waiting;

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            Take(" ");
            _waiting = token.ToString();
        }

        public override void End()
        {
            Take("");
            next.End();
        }

        private void Take(string end)
        {
            if (_waiting != null) next.Push(suffix.Length == 0 ? _waiting : _waiting.Replace(suffix, end, StringComparison.Ordinal), begins: true);
            _waiting = null;
        }
    }
}
