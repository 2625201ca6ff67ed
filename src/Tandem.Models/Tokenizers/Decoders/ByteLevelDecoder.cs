using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>Characters of the byte alphabet become bytes again; a token with any other character is text.</summary>
internal sealed class ByteLevelDecoder : Decoder
{
    /// <inheritdoc/>
    public override bool IsBytes => true;

    /// <inheritdoc/>
    public override byte[] Bytes(string token) => ByteAlphabet.Bytes(token);

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, parts);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => ByteLevelPreTokenizer.WriteByteLevel(json, addPrefixSpace: true, trimOffsets: true, useRegex: true);

    // All tokens become one. It is handed on in parts, all but a character that is not complete, where what follows takes it so.
    private sealed class Run(DecoderRun next, bool parts) : DecoderRun
    {
        private readonly List<byte> _bytes = [];
        private readonly StringBuilder _text = new();
        private bool _begun;

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            _bytes.AddRange(ByteAlphabet.Bytes(token.ToString()));
            if (parts) Take(complete: false);
        }

        public override void End()
        {
            Take(complete: true);
            next.End();
        }

        private void Take(bool complete)
        {
            ReadOnlySpan<byte> bytes = CollectionsMarshal.AsSpan(_bytes);
            _text.Clear();
            while (!bytes.IsEmpty)
            {
                OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used);
                if (status == OperationStatus.NeedMoreData && !complete) break;
                _text.Append(rune);
                bytes = bytes[used..];
            }

            _bytes.RemoveRange(0, _bytes.Count - bytes.Length);
            if (_text.Length == 0 && !complete) return;
            next.Push(_text.ToString(), begins: !_begun);
            _begun = true;
        }
    }
}
