namespace Tandem.Models;

/// <summary>Connectionist temporal classification (Graves et al., 2006): equal neighbours are one token, padding is nothing, a delimiter is a space.</summary>
internal sealed class CtcDecoder(string padToken, string delimiter, bool cleanup) : Decoder
{
    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, this);

    private string Shown(string token)
    {
        if (padToken.Length > 0) token = token.Replace(padToken, "", StringComparison.Ordinal);
        if (!cleanup) return token;
        token = WordPieceDecoder.Clean(token);
        return delimiter.Length > 0 ? token.Replace(delimiter, " ", StringComparison.Ordinal) : token;
    }

    private sealed class Run(DecoderRun next, CtcDecoder decoder) : DecoderRun
    {
        private string? _last;

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            if (_last != null && token.SequenceEqual(_last)) return;
            _last = token.ToString();
            string shown = decoder.Shown(_last);
            if (shown.Length > 0) next.Push(shown, begins: true);
        }

        public override void End() => next.End();
    }
}
