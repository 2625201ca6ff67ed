using System.Text;

namespace Tandem.Inference;

/// <summary>
/// Lets a text pass piece by piece but for what could be the beginning of a stop text, wherever the borders of tokens lie; ends at the first stop text.
/// </summary>
internal sealed class StopTexts(IReadOnlyList<string> stops)
{
    private readonly StringBuilder _held = new();

    /// <summary>The stop text that was found, or null.</summary>
    public string? Found { get; private set; }

    /// <summary>Takes a piece and gives what may be shown.</summary>
    public string Append(ReadOnlySpan<char> piece)
    {
        if (Found != null) return "";
        if (stops.Count == 0) return piece.ToString();
        string text = _held.Append(piece).ToString();
        int first = text.Length, keep = 0;
        foreach (string stop in stops)
        {
            int at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && at < first) (first, Found) = (at, stop);
            for (int n = Math.Min(stop.Length - 1, text.Length); n > keep; n--)
                if (text.AsSpan().EndsWith(stop.AsSpan(0, n), StringComparison.Ordinal)) keep = n;
        }

        _held.Clear();
        if (Found != null) return text[..first];
        _held.Append(text, text.Length - keep, keep);
        return text[..^keep];
    }

    /// <summary>What was held back when the text ended.</summary>
    public string Flush()
    {
        string rest = Found == null ? _held.ToString() : "";
        _held.Clear();
        return rest;
    }
}
