using System.Text;

namespace Tandem.Models;

/// <summary>
/// Expressions of tiktoken in the dialect of <c>tokenizer.json</c>: there a plus behind a counted repetition repeats it again, here it keeps what it took; and
/// there the dollar stands before a line break too, here only at the end.
/// </summary>
internal static class TiktokenPattern
{
    /// <summary>The expression in the other dialect; one that has neither comes back as it is.</summary>
    public static string Translate(string pattern)
    {
        var result = new StringBuilder(pattern.Length);
        var groups = new Stack<int>();
        int atom = 0;
        for (int at = 0; at < pattern.Length;)
        {
            int end = EndOf(pattern, at);
            string part = pattern[at..end];
            at = end;
            if (part[0] == '{' && at < pattern.Length && pattern[at] == '+')
            {
                result.Insert(atom, "(?>").Append(part).Append(')');
                at++;
                continue;
            }

            bool repeats = part[0] is '{' or '*' or '+' or '?';
            if (part == "(") groups.Push(result.Length);
            if (!repeats) atom = part == ")" && groups.TryPop(out int group) ? group : result.Length;
            result.Append(part == "$" ? @"\z" : part);
        }

        return result.ToString();
    }

    // End of a class, an escape, a count, or a single character.
    private static int EndOf(string pattern, int at)
    {
        if (pattern[at] == '\\') return EndOfEscape(pattern, at);
        if (pattern[at] == '{') return pattern.IndexOf('}', at) is var close and > 0 ? close + 1 : at + 1;
        if (pattern[at] != '[') return at + 1;
        int depth = 0;
        for (int i = at; i < pattern.Length; i++)
        {
            if (pattern[i] == '\\') i++;
            else if (pattern[i] == '[') depth++;
            else if (pattern[i] == ']' && --depth == 0) return i + 1;
        }

        return pattern.Length;
    }

    private static int EndOfEscape(string pattern, int at)
    {
        int end = Math.Min(at + 2, pattern.Length);
        return end - at == 2 && pattern[at + 1] is 'p' or 'P' or 'x' && end < pattern.Length && pattern[end] == '{' && pattern.IndexOf('}', end) is var close and > 0 ? close + 1 : end;
    }
}
