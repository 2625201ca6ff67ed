using System.Buffers;
using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Runs of byte tokens (<c>&lt;0xE2&gt;</c>) become the text that they are in UTF-8. Of a run that is no UTF-8 every byte becomes U+FFFD; a stream
/// cannot wait for that, and shows the characters that are complete and U+FFFD for each other byte.
/// </summary>
internal sealed class ByteFallbackDecoder : Decoder
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, streaming);

    /// <summary>The byte of a byte token.</summary>
    public static bool TryByte(ReadOnlySpan<char> token, out byte b)
    {
        b = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out b);
    }

    private sealed class Run(DecoderRun next, bool streaming) : DecoderRun
    {
        private readonly List<byte> _bytes = [];

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            if (!TryByte(token, out byte b))
            {
                Finish();
                next.Push(token, begins: true);
                return;
            }

            _bytes.Add(b);
            if (streaming) TakeCharacters(complete: false);
        }

        public override void End()
        {
            Finish();
            next.End();
        }

        private void Finish()
        {
            if (_bytes.Count == 0) return;
            if (streaming)
            {
                TakeCharacters(complete: true);
                return;
            }

            string? text = TryText();
            if (text != null) next.Push(text, begins: true);
            else
                for (int i = 0; i < _bytes.Count; i++) next.Push("\ufffd", begins: true);
            _bytes.Clear();
        }

        private string? TryText()
        {
            try
            {
                return Strict.GetString([.. _bytes]);
            }
            catch (DecoderFallbackException)
            {
                return null;
            }
        }

        // A stream keeps three bytes at most.
        private void TakeCharacters(bool complete)
        {
            Span<char> character = stackalloc char[2];
            while (_bytes.Count > 0)
            {
                OperationStatus status = Rune.DecodeFromUtf8([.. _bytes], out Rune rune, out int used);
                if (status == OperationStatus.NeedMoreData && !complete) return;
                if (status == OperationStatus.Done) next.Push(character[..rune.EncodeToUtf16(character)], begins: true);
                for (int i = 0; i < used && status != OperationStatus.Done; i++) next.Push("\ufffd", begins: true);
                _bytes.RemoveRange(0, used);
            }
        }
    }
}
