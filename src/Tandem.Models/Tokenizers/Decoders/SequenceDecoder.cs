namespace Tandem.Models;

/// <summary>Several decoders, each taking the tokens of the one before.</summary>
internal sealed class SequenceDecoder(Decoder[] members) : Decoder
{
    /// <inheritdoc/>
    public override bool TakesParts => members.All(m => m.TakesParts);

    /// <inheritdoc/>
    public override byte[] Bytes(string token) => members.FirstOrDefault(m => m.IsBytes)?.Bytes(token) ?? base.Bytes(token);

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming)
    {
        for (int i = members.Length - 1; i >= 0; i--)
        {
            next = members[i].Start(next, parts, streaming);
            parts &= members[i].TakesParts;
        }

        return next;
    }
}
