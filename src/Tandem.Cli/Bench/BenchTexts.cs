using System.Globalization;
using System.Text;

namespace Tandem.Cli.Bench;

/// <summary>Texts that look like what tokenizers meet, the same in every run: words by Zipf's law, most of them made of syllables.</summary>
internal static class BenchTexts
{
    private const int EnglishWords = 20_000, Names = 3_000, Characters = 3_500;

    private static readonly string[] Common =
        ("the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more "
        + "if out so what up said about than its into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many where "
        + "before must through back years much your way well down should because each just those people how too little state good very make world still see own work long here get both between life being under "
        + "never day same another know while last might us great old year off come since against go came right used take three").Split(' ');

    /// <summary>The kinds of text.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["english", "code", "chinese"];

    /// <summary>A text of a kind, of about so many UTF-8 bytes.</summary>
    /// <exception cref="TandemException">There is no such kind.</exception>
    public static string Make(string kind, int bytes)
    {
        var random = new Random(20_251_125);
        return kind switch
        {
            "english" => English(random, bytes),
            "code" => Code(random, bytes),
            "chinese" => Chinese(random, bytes / 3),
            _ => throw new TandemException($"text '{kind}', wanted {string.Join(", ", Kinds)}"),
        };
    }

    private static string English(Random random, int length)
    {
        string[] words = [.. Common, .. Enumerable.Range(0, EnglishWords - Common.Length).Select(_ => Word(random))];
        var text = new StringBuilder(length + 64);
        bool begins = true;
        while (text.Length < length)
        {
            string word = words[Zipf(random, words.Length)];
            int kind = random.Next(100);
            if (kind < 2) text.Append(random.Next(3000).ToString(CultureInfo.InvariantCulture));
            else text.Append(begins || kind < 5 ? char.ToUpperInvariant(word[0]) : word[0]).Append(word, 1, word.Length - 1);
            if (kind is > 96) text.Append(kind == 97 ? "'s" : "n't");
            int end = random.Next(100);
            begins = end < 6;
            text.Append(end switch { 0 => "?", < 6 => ".", < 13 => ",", 13 => ";", 14 => " -", _ => "" }).Append(begins && random.Next(5) == 0 ? "\n\n" : " ");
        }

        return text.ToString();
    }

    private static string Code(Random random, int length)
    {
        string[] names = [.. Enumerable.Range(0, Names).Select(i => Name(random, i % 3))];
        string[] lines =
        [
            "if ({0} == null) return {1}.{2};\n", "for (int i = 0; i < {0}.Count; i++)\n{{\n", "var {0} = new {1}({2}, {3});\n", "{0}[{1}] += {2} * {3} - 0x1F;\n",
            "// {0} the {1} of {2}\n", "public static {0} {1}({2} {3}) => throw new InvalidOperationException();\n", "}}\n\n", "    {0}.{1}(\"{2}: {3}\", 42);\n", "while ({0} >= {1} && !{2}) {3}--;\n",
        ];
        var text = new StringBuilder(length + 256);
        while (text.Length < length)
        {
            text.Append(' ', 4 * random.Next(4));
            text.AppendFormat(CultureInfo.InvariantCulture, lines[random.Next(lines.Length)], Pick(), Pick(), Pick(), Pick());
        }

        return text.ToString();

        string Pick() => names[Zipf(random, names.Length)];
    }

    private static string Chinese(Random random, int length)
    {
        char[] characters = [.. Enumerable.Range(0, Characters).Select(_ => (char)random.Next(0x4E00, 0x9FA6))];
        var text = new StringBuilder(length + 64);
        while (text.Length < length)
        {
            int run = random.Next(4, 22);
            for (int i = 0; i < run; i++) text.Append(characters[Zipf(random, characters.Length)]);
            text.Append(random.Next(12) switch { 0 => "\u3002\n", < 4 => "\u3002", < 9 => "\uff0c", 9 => "\u3001", 10 => "2025", _ => " AI " });
        }

        return text.ToString();
    }

    private static string Name(Random random, int style)
    {
        string first = Word(random), second = Word(random);
        return style switch { 0 => first, 1 => $"{first}_{second}", _ => first + char.ToUpperInvariant(second[0]) + second[1..] };
    }

    private static string Word(Random random)
    {
        string[] starts = ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pr", "ch", "sh", "th", "con", "re", "in", ""];
        string[] middles = ["a", "e", "i", "o", "u", "ea", "ou", "ai", "er", "or", "an", "en", "in", "on"], ends = ["", "", "n", "r", "s", "t", "l", "ng", "nd", "st", "tion", "ment", "ly", "ed"];
        var word = new StringBuilder();
        for (int syllables = random.Next(1, 4); syllables > 0; syllables--) word.Append(starts[random.Next(starts.Length)]).Append(middles[random.Next(middles.Length)]);
        return word.Append(ends[random.Next(ends.Length)]).ToString();
    }

    // A rank with a chance of about one over it.
    private static int Zipf(Random random, int count) => (int)Math.Min(Math.Exp(random.NextDouble() * Math.Log(count + 1)) - 1, count - 1);
}
