using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>Takes a character from the start and the end of each token, a number of times at most.</summary>
internal sealed class StripDecoder(string content, int start, int stop) : Decoder
{
    /// <inheritdoc/>
    public override bool TakesParts => stop == 0;

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, content, start, stop);

    /// <summary>Reads the part.</summary>
    public static StripDecoder Parse(JsonElement part, string place)
    {
        string content = PartJson.String(PartJson.Need(part, place, "content"), $"{place}.content");
        if (Rune.DecodeFromUtf16(content, out _, out int length) != System.Buffers.OperationStatus.Done || length != content.Length)
            throw new TandemException($"{place}.content: '{content}', wanted one character");
        return new StripDecoder(content, PartJson.Id(PartJson.Need(part, place, "start"), $"{place}.start"), PartJson.Id(PartJson.Need(part, place, "stop"), $"{place}.stop"));
    }

    private sealed class Run(DecoderRun next, string content, int start, int stop) : DecoderRun
    {
        private int _left;

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            if (begins) _left = start;
            for (; _left > 0 && token.StartsWith(content, StringComparison.Ordinal); _left--) token = token[content.Length..];
            if (!token.IsEmpty) _left = 0;
            for (int i = 0; i < stop && token.EndsWith(content, StringComparison.Ordinal); i++) token = token[..^content.Length];
            next.Push(token, begins);
        }

        public override void End() => next.End();
    }
}
