namespace Tandem.Models;

/// <summary>Tokens with the prefix join the one before, others come after a space; cleaning up takes spaces before punctuation and English contractions away.</summary>
internal sealed class WordPieceDecoder(string prefix, bool cleanup) : Decoder
{
    private static readonly (string Found, string Becomes)[] Cleanups =
    [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ];

    /// <summary>The same but for "do not": what transformers does for any tokenizer.</summary>
    public static string CleanSpaces(string text)
    {
        foreach ((string found, string becomes) in Cleanups)
            if (found != " do not") text = text.Replace(found, becomes, StringComparison.Ordinal);
        return text;
    }

    /// <inheritdoc/>
    public override DecoderRun Start(DecoderRun next, bool parts, bool streaming) => new Run(next, prefix, cleanup);

    /// <summary>The text without spaces before punctuation and contractions.</summary>
    public static string Clean(string text)
    {
        foreach ((string found, string becomes) in Cleanups) text = text.Replace(found, becomes, StringComparison.Ordinal);
        return text;
    }

    // Everything that is cleaned up begins with a space; where the only one is the first character, the next one says what may follow.
    private static bool IsClean(ReadOnlySpan<char> text) =>
        text.Length < 2 || (!text[1..].Contains(' ') && (text[0] != ' ' || !(text[1] is '.' or '?' or '!' or ',' or '\'' || text[1..].StartsWith("n'", StringComparison.Ordinal))));

    private sealed class Run(DecoderRun next, string prefix, bool cleanup) : MapRun(next)
    {
        private char[] _spaced = new char[64];

        protected override ReadOnlySpan<char> Map(ReadOnlySpan<char> token, int index)
        {
            if (index > 0) token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : Spaced(token);
            return !cleanup || IsClean(token) ? token : token is [' ', '.' or '?' or '!' or ','] ? token[1..] : Clean(token.ToString());
        }

        private ReadOnlySpan<char> Spaced(ReadOnlySpan<char> token)
        {
            if (_spaced.Length <= token.Length) _spaced = new char[2 * token.Length];
            _spaced[0] = ' ';
            token.CopyTo(_spaced.AsSpan(1));
            return _spaced.AsSpan(0, token.Length + 1);
        }
    }
}
