using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// SentencePiece's decoding: the visible spaces become spaces, the first of a text goes if the normalizer puts one there (all of them if it removes extra ones),
/// the unknown piece has a text of its own, bytes are put together and each that is no part of a character becomes U+FFFD.
/// </summary>
internal sealed class SentencePieceDecoder(string unknown, string unknownSurface, bool dropsFirst, bool dropsAll) : Decoder
{
    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, this);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => throw new TandemException("decoder: SentencePiece's decoding has no form in tokenizer.json");

    private sealed class Run(DecoderRun next, SentencePieceDecoder decoder) : DecoderRun
    {
        private readonly List<byte> _bytes = [];
        private bool _begun;

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            if (ByteFallbackDecoder.TryByte(token, out byte b))
            {
                _bytes.Add(b);
                TakeCharacters(complete: false);
                return;
            }

            TakeCharacters(complete: true);
            if (token.SequenceEqual(decoder.UnknownPiece))
            {
                Show(decoder.UnknownSurface);
                return;
            }

            if (!_begun && decoder.DropsFirst && token.Length > 0 && token[0] == SentencePieceNormalizer.Space)
            {
                token = token[1..];
                _begun = !decoder.DropsAll;
            }

            Show(token.Contains(SentencePieceNormalizer.Space) ? token.ToString().Replace(SentencePieceNormalizer.Space, ' ') : token);
        }

        public override void End()
        {
            TakeCharacters(complete: true);
            next.End();
        }

        private void Show(ReadOnlySpan<char> text)
        {
            if (text.IsEmpty) return;
            _begun = true;
            next.Push(text, begins: true);
        }

        private void TakeCharacters(bool complete)
        {
            Span<char> character = stackalloc char[2];
            while (_bytes.Count > 0)
            {
                OperationStatus status = Rune.DecodeFromUtf8([.. _bytes], out Rune rune, out int used);
                if (status == OperationStatus.NeedMoreData && !complete) return;
                if (status == OperationStatus.Done) Show(character[..rune.EncodeToUtf16(character)]);
                for (int i = 0; i < used && status != OperationStatus.Done; i++) Show("\ufffd");
                _bytes.RemoveRange(0, used);
            }
        }
    }

    private string UnknownPiece => unknown;

    private string UnknownSurface => unknownSurface;

    private bool DropsFirst => dropsFirst;

    private bool DropsAll => dropsAll;
}
