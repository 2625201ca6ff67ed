namespace Tandem.Models;

/// <summary>
/// Cuts where the script changes. Kana counts as Han; spaces and what has no script belong to what is before them, and are left out where nothing is.
/// </summary>
internal sealed class UnicodeScriptsPreTokenizer : PreTokenizer
{
    private const int NoScript = 0;

    // Scripts as members of one map: no two share a code point.
    private static readonly CharClassMap Map = new([.. UnicodeSets.Scripts.Select(s => s.Set)]);
    private static readonly int[] Scripts = [.. Map.Members.Select(m => Array.IndexOf(m, true) + 1)];
    private static readonly int Han = Number("Han"), Hiragana = Number("Hiragana"), Katakana = Number("Katakana");

    /// <inheritdoc/>
    public override void Cut(ReadOnlySpan<char> text, Piece piece, List<Piece> pieces)
    {
        int end = piece.Start + piece.Length, start = -1, running = NoScript;
        for (int at = piece.Start; at < end;)
        {
            int script = ScriptOf(CharSet.CodePointAt(text, at, out int length));
            if (script != NoScript && script != running)
            {
                if (start >= 0) pieces.Add(new Piece(start, at - start));
                (start, running) = (at, script);
            }

            at += length;
        }

        if (start >= 0) pieces.Add(new Piece(start, end - start));
    }

    private static int Number(string name) => Enumerable.Range(0, UnicodeSets.Scripts.Count).First(i => UnicodeSets.Scripts[i].Name == name) + 1;

    private static int ScriptOf(int codePoint)
    {
        // The mark of a long vowel stands with kana.
        if (codePoint == 0x30FC) return Han;
        if (codePoint == ' ') return NoScript;
        int script = Scripts[Map.Of(codePoint)];
        return script == Hiragana || script == Katakana ? Han : script;
    }
}
