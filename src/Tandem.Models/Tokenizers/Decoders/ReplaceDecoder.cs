using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>Replaces what a pattern matches in each token.</summary>
internal sealed class ReplaceDecoder(SplitPattern pattern, string content) : Decoder
{
    /// <inheritdoc/>
    public override bool TakesParts => pattern is LiteralPattern { Source.Length: 1 };

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, pattern, content);

    /// <summary>Reads the part.</summary>
    public static ReplaceDecoder Parse(JsonElement part, string place)
    {
        SplitPattern pattern = SplitPattern.Read(part, place);
        if (pattern.Source.Length == 0) throw new TandemException($"{place}.pattern: is empty, wanted at least one character");
        return new ReplaceDecoder(pattern, PartJson.String(PartJson.Need(part, place, "content"), $"{place}.content"));
    }

    private sealed class Run(DecoderRun next, SplitPattern pattern, string content) : DecoderRun
    {
        private readonly List<Piece> _matches = [];
        private readonly StringBuilder _text = new();

        public override void Push(ReadOnlySpan<char> token, bool begins)
        {
            _matches.Clear();
            pattern.FindAll(token, _matches);
            if (_matches.Count == 0)
            {
                next.Push(token, begins);
                return;
            }

            _text.Clear();
            int done = 0;
            foreach ((int start, int length) in _matches)
            {
                _text.Append(token[done..start]).Append(content);
                done = start + length;
            }

            next.Push(_text.Append(token[done..]).ToString(), begins);
        }

        public override void End() => next.End();
    }
}
