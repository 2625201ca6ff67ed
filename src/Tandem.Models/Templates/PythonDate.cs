using System.Globalization;
using System.Text;

namespace Tandem.Models;

/// <summary>Python's strftime in the C locale.</summary>
internal static class PythonDate
{
    public static string Format(DateTimeOffset time, string format)
    {
        var text = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 >= format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            bool plain = format[i + 1] == '-' && i + 2 < format.Length;
            i += plain ? 2 : 1;
            string? part = Part(time, format[i]);
            if (part is null)
                text.Append(plain ? "%-" : "%").Append(format[i]);
            else
                text.Append(plain && part.Length > 1 ? part.TrimStart('0', ' ') is { Length: > 0 } trimmed ? trimmed : "0" : part);
        }

        return text.ToString();
    }

    private static string? Part(DateTimeOffset time, char code) => code switch
    {
        'Y' => Pattern(time, "yyyy"),
        'm' => Pattern(time, "MM"),
        'd' => Pattern(time, "dd"),
        'H' => Pattern(time, "HH"),
        'I' => Pattern(time, "hh"),
        'M' => Pattern(time, "mm"),
        'S' => Pattern(time, "ss"),
        'y' => Pattern(time, "yy"),
        'f' => Pattern(time, "ffffff"),
        'B' => Pattern(time, "MMMM"),
        'b' or 'h' => Pattern(time, "MMM"),
        'A' => Pattern(time, "dddd"),
        'a' => Pattern(time, "ddd"),
        'p' => time.Hour < 12 ? "AM" : "PM",
        'F' => Pattern(time, "yyyy-MM-dd"),
        'T' or 'X' => Pattern(time, "HH:mm:ss"),
        'R' => Pattern(time, "HH:mm"),
        'D' or 'x' => Pattern(time, "MM'/'dd'/'yy"),
        'c' => Pattern(time, "ddd MMM ") + Padded(time.Day, 2, ' ') + Pattern(time, " HH:mm:ss yyyy"),
        'r' => Pattern(time, "hh:mm:ss ") + Part(time, 'p'),
        'e' => Padded(time.Day, 2, ' '),
        'k' => Padded(time.Hour, 2, ' '),
        'l' => Padded(((time.Hour + 11) % 12) + 1, 2, ' '),
        'C' => Padded(time.Year / 100, 2, '0'),
        'j' => Padded(time.DayOfYear, 3, '0'),
        'w' => Padded((int)time.DayOfWeek, 1, '0'),
        'u' => Padded((((int)time.DayOfWeek + 6) % 7) + 1, 1, '0'),
        'U' => Padded((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7, 2, '0'),
        'W' => Padded((time.DayOfYear + 6 - (((int)time.DayOfWeek + 6) % 7)) / 7, 2, '0'),
        'V' => Padded(ISOWeek.GetWeekOfYear(time.DateTime), 2, '0'),
        'G' => Padded(ISOWeek.GetYear(time.DateTime), 4, '0'),
        's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        // The clock is naive in Python, so these are empty.
        'z' or 'Z' => "",
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        _ => null,
    };

    private static string Pattern(DateTimeOffset time, string pattern) => time.ToString(pattern, CultureInfo.InvariantCulture);

    private static string Padded(int value, int width, char pad) => value.ToString(CultureInfo.InvariantCulture).PadLeft(width, pad);
}
