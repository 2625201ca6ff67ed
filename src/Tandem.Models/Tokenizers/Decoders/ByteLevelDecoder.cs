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
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => ByteLevelPreTokenizer.WriteByteLevel(json, addPrefixSpace: true, trimOffsets: true, useRegex: true);

    // The bytes of all tokens together; what shows them one by one is TokenDecoder.
    private sealed class Run(DecoderRun next) : DecoderRun
    {
        private readonly List<byte> _bytes = [];

        public override void Push(ReadOnlySpan<char> token, bool begins) => _bytes.AddRange(ByteAlphabet.Bytes(token.ToString()));

        public override void End()
        {
            next.Push(Encoding.UTF8.GetString([.. _bytes]), begins: true);
            next.End();
        }
    }
}
