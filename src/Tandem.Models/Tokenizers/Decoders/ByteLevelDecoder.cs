using System.Text.Json;

namespace Tandem.Models;

/// <summary>Characters of the byte alphabet become bytes again; a token with any other character is text.</summary>
internal sealed class ByteLevelDecoder : Decoder
{
    /// <inheritdoc/>
    public override byte[] Bytes(string token) => ByteAlphabet.Bytes(token);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json) => ByteLevelPreTokenizer.WriteByteLevel(json, addPrefixSpace: true, trimOffsets: true, useRegex: true);
}
