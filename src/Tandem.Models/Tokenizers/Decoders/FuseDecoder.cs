using System.Text;

namespace Tandem.Models;

/// <summary>All tokens become one. It is handed on in parts where what follows takes it so, else at the end.</summary>
internal sealed class FuseDecoder : Decoder
{
    /// <inheritdoc/>
    public override bool TakesParts => true;

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => parts ? new PartsRun(next) : new WholeRun(next);

    private sealed class PartsRun(DecoderRun next) : DecoderRun
    {
        private bool _begun;

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            next.Push(token, begins: !_begun);
            _begun = true;
        }

        public override void End() => next.End();
    }

    private sealed class WholeRun(DecoderRun next) : DecoderRun
    {
        private readonly StringBuilder _text = new();

        public override void Push(ReadOnlySpan<char> token, bool begins) => _text.Append(token);

        public override void End()
        {
            next.Push(_text.ToString(), begins: true);
            next.End();
        }
    }
}
