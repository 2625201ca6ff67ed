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

    private sealed class Run(DecoderRun next, string prefix, bool cleanup) : MapRun(next)
    {
        protected override ReadOnlySpan<char> Map(ReadOnlySpan<char> token, int index)
        {
            if (index > 0) token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : $" {token}";
            return cleanup ? Clean(token.ToString()) : token;
        }
    }
}
