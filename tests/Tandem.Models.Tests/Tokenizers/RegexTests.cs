using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>The engine for expressions that no scanner knows.</summary>
public sealed class RegexTests
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", Head = @"[^\r\n\p{L}\p{N}]?", Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string Tail = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+", Ascii = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
    private const string Gpt2Tail = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
    private const string O200k = $@"{Head}{Upper}*{Lower}+{Contractions}?|{Head}{Upper}+{Lower}*{Contractions}?|\p{{N}}{{1,3}}{Tail}";

    private static readonly Gen<string> Texts = Gen.OneOf(
        Gen.Char["ab \n'sStTlLrR1٣é\u0301ßK\u212a\u017f中か.,!_\u00a0\u2028"].Array[0, 40].Select(c => new string(c)),
        AnyOf("a", "B", " ", "\n", "'S", "'ll", "12", "𠀀", "😀", "\u0301", "中", "…", "\r\n", "x9", "ǅ", "ʰ", "２").Array[0, 30].Select(string.Concat),
        Gen.Int[0, 0x10FFFF].Where(c => c is < 0xD800 or > 0xDFFF).Array[0, 30].Select(c => string.Concat(c.Select(char.ConvertFromUtf32))));

    /// <summary>Expressions of published tokenizers, with what each makes of a text.</summary>
    public static TheoryData<string, string, string> Published => new()
    {
        { O200k, "HelloWorld's 12345 中文\n\n  x/\n", "Hello|World's| |123|45| 中文|\n\n| | x|/\n" },
        { $@"{Head}{Upper}*{Lower}+|{Head}{Upper}+{Lower}*|\p{{N}}{Tail}", "ABCdef it's 12", "ABCdef| it|'s| |1|2" },
        { $@"{Head}((?=[\p{{L}}])([^a-z]))*((?=[\p{{L}}])([^A-Z]))+{Ascii}?|{Head}((?=[\p{{L}}])([^a-z]))+((?=[\p{{L}}])([^A-Z]))*{Ascii}?|\p{{N}}{{1,3}}{Tail}", "HelloWorld'S 1234", "Hello|World'S| |123|4" },
        { $@"{Ascii}|{Head}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "it'S  a", "it|'S| | a" },
        { $@"{Ascii}|{Head}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s{{512}}(?!\S)|\s{{256}}(?!\S)|\s{{128}}(?!\S)|\s{{64}}(?!\S)|\s{{32}}(?!\S)|\s{{16}}(?!\S)|\s{{8}}(?!\S)|\s{{4}}(?!\S)|\s{{1,2}}(?!\S)|\s{{1}}", "a     b", "a|    | b" },
        { "[\r\n]", "a\r\nb", "a|\r|\n|b" },
        { @"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ]+", "ab cé 1", "ab| cé| 1" },
        { @"\s?[!-/:-~！-／：-～‘-‟　-。]+", "a !! b", "a| !!| b" },
        { @"\s+$", "a  \nb  ", "a|  |\nb|  " },
        { "[一-龥ࠀ-一가-퟿]+", "a中文b", "a|中文|b" },
        { @"\s?\p{P}+", "a .,b", "a| .,|b" },
        { @"[\p{P}\$\+<=>\^~\|`]+", "a+=b$", "a|+=|b|$" },
        { Gpt2Tail, "it's  ok  ", "it|'s| | ok|  " },
        { "[0-9][0-9][0-9]", "12345", "123|45" },
        { " ?[^(\\s|.,!?…。，、।۔،)]+", "ab, cd。ef", "ab|,| cd|。|ef" },
        { "<sentinel:[0-9]+>", "x<sentinel:12>y", "x|<sentinel:12>|y" },
        { "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "IMGIMGABCZIMGIMGZ", "IMGIMGABCZ|IMGIMGZ" },
        { "([\\t\\n]|    |  )", "a   b\tc", "a|  | b|\t|c" },
        { @"[\p{P}!-/:-@\[-`{-~]", "a+b…", "a|+|b|…" },
        { @"(?=(\d{3})+(?!\d))", "1234567 12", "1|234|567 12" },
        { @"\d{1,3}(?=(?:\d{3})*\b)", "1234567a 1234", "1234567a |1|234" },
        { $@"{Contractions}|{Head}(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+", "a b cd e\u0301 12", "a b cd e\u0301| |1|2" },
        { @"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+", "we'LL go", "we|'LL| go" },
        { @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+", "we'LL 'x!", "we|'LL| '|x|!" },
        { "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+", "a,\n12", "a|,|\n|1|2" },
        { @"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "ab中文かなABC's 1", "ab|中文|かな|ABC's| |1" },
        { "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", "한글abc中か！", "한글|abc|中か|！" },
        { @"[^\n]+|[\n]+", "a b\n\nc", "a b|\n\n|c" },
        { @"\S+", "a  b", "a|  |b" },
        { @"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", "a's 12<|endoftext|>", "a|'s| |1|2|<|endoftext|>" },
        { @"(?<=[a-z])(?=[A-Z])|_", "camelCase_snake", "camel|Case|_|snake" },
        { @"(?:\r?\n)++|[^\r\n]+?(?=\r?\n|\z)", "ab\r\n\ncd", "ab|\r\n\n|cd" },
    };

    [Theory]
    [MemberData(nameof(Published))]
    public void Published_expressions_cut_as_they_should(string source, string text, string pieces)
    {
        // A bar of the text is written as itself where pieces have one.
        string cut = string.Join('|', Cut(SplitPattern.Find(source, "p"), text));
        Assert.Equal(pieces, cut);
        Assert.Equal(new NaiveRegex(RegexParser.Parse(source, "p")).FindAll(text), InCodePoints(new RegexPattern(source, "p"), text));
    }

    [Theory]
    [InlineData(@"(a)\1", "a back-reference at 3")]
    [InlineData(@"(?<n>a)\k<n>", "a back-reference at 7")]
    [InlineData(@"\g<0>", "recursion '\\g' at 0")]
    [InlineData("(?R)", "recursion or a back-reference at 0")]
    [InlineData("a(?(1)b)", "a condition '(?(' at 1")]
    [InlineData("(a", "a group without ')' at 0")]
    [InlineData("a)", "a ')' without '(' at 1")]
    [InlineData("[a", "a class without ']' at 0")]
    [InlineData("*a", "a '*' with nothing to repeat at 0")]
    [InlineData("a{3,2}", "bounds {3,2} out of order at 1")]
    [InlineData(@"\p{Klingon}", "the property 'Klingon' at 0")]
    [InlineData("(?<=(?=a))b", "lookaround inside a lookbehind at 4")]
    [InlineData("[z-a]", "a range that ends before it starts at 2")]
    [InlineData(@"a\", "a '\\' with nothing behind it at 1")]
    [InlineData("(?z:a)", "the flag 'z' at 2")]
    [InlineData("((a{100}){100}){100}", "more than 20000 instructions")]
    [InlineData("a{9999999999}", "more than 100000")]
    public void What_is_malformed_or_not_built_is_named_with_its_place(string source, string error)
    {
        TandemException e = Assert.Throws<TandemException>(() => SplitPattern.Find(source, "pre_tokenizer.pattern"));
        Assert.StartsWith("pre_tokenizer.pattern: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(error, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Deep_nesting_is_refused() =>
        Assert.Contains("inside each other", Assert.Throws<TandemException>(() => new RegexPattern(new string('(', 10_000), "p")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_engine_equals_the_scanners_written_by_hand()
    {
        string[] sources = [.. GoldenSplits().Where(s => SplitPattern.Find(s, "p") is not RegexPattern).Distinct()];
        Assert.True(sources.Length >= 8, $"{sources.Length} scanners");
        (SplitPattern Scanner, RegexPattern Engine)[] pairs = [.. sources.Select(s => (SplitPattern.Find(s, "p"), new RegexPattern(s, "p")))];
        foreach (string text in GoldenTexts())
            foreach ((SplitPattern scanner, RegexPattern engine) in pairs)
                Assert.Equal(Cut(scanner, text), Cut(engine, text));
        Texts.Sample(text => pairs.All(p => Cut(p.Scanner, text).SequenceEqual(Cut(p.Engine, text))), iter: 3_000);
    }

    [Fact]
    public void Random_expressions_match_as_in_an_engine_that_goes_back()
    {
        int compared = 0, matches = 0;
        Gen.Select(RandomPattern(3), Gen.Char["abc\n 1"].Array[0, 12].Select(c => new string(c))).Sample(
            (source, text) =>
            {
                RegexNode node = RegexParser.Parse(source, "p");
                List<(int, int)> expected;
                try
                {
                    expected = new NaiveRegex(node).FindAll(text);
                }
                catch (NaiveRegex.TooLongException)
                {
                    return true;
                }

                Interlocked.Increment(ref compared);
                Interlocked.Add(ref matches, expected.Count);
                return InCodePoints(new RegexPattern(source, "p"), text).SequenceEqual(expected);
            },
            iter: 20_000);
        Assert.True(compared > 15_000 && matches > 15_000, $"{compared} compared, {matches} matches");
    }

    [Fact]
    public void Texts_of_the_basic_plane_match_as_in_dotnet()
    {
        string[] sources =
        [
            @"'s|'t| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", @"(?:ab|a)(?:c|bcd)?", @"a+?b|a*c", @"(?<=a)b|(?<!a)b+", @"[^\r\n\p{L}]?\p{Lu}*\p{Ll}+", @"(?=a)[^b]{2,3}?", @"x{0,2}(?:ab){1,}", @"(?>a*)b|a",
            @"\p{Lu}[\p{Ll}\p{M}]*", @"\A.|.\z", @"\s{2,}?|a{1,2}b*?c",
        ];
        foreach (string source in sources)
        {
            var engine = new RegexPattern(source, "p");
            var dotnet = new System.Text.RegularExpressions.Regex(source, RegexOptions.CultureInvariant);
            Gen.Char["aabbccABé\u0301 \n'sStT1x"].Array[0, 30].Select(c => new string(c)).Sample(
                text =>
                {
                    List<Piece> found = [];
                    engine.FindAll(text, found);
                    return found.Select(m => (m.Start, m.Length)).SequenceEqual(dotnet.Matches(text).Select(m => (m.Index, m.Length)));
                },
                iter: 2_000);
        }
    }

    [Fact]
    public void Oniguruma_s_quirks()
    {
        Assert.Equal("1234567", string.Join('|', Cut(new RegexPattern(@"\p{N}{1,3}+", "p"), "1234567")));
        Assert.Equal("123|456|7", string.Join('|', Cut(new RegexPattern(@"\p{N}{1,3}", "p"), "1234567")));
        Assert.Equal("1|2|3", string.Join('|', Cut(new RegexPattern(@"\p{N}{1,3}?", "p"), "123")));
        Assert.Equal("aaa|b", string.Join('|', Cut(new RegexPattern("a++a|a+", "p"), "aaab")));
        Assert.Equal("a{|b", string.Join('|', Cut(new RegexPattern("a{", "p"), "a{b")));
        Assert.Equal("aa|aa|a", string.Join('|', Cut(new RegexPattern("a{2}?", "p"), "aaaaa")));
        Assert.Equal("Straße|x|STRASSE|x|Straẞe", string.Join('|', Cut(new RegexPattern("(?i:straße)", "p"), "StraßexSTRASSExStraẞe")));
        Assert.Equal("x|K|x|\u212a|x|\u017f", string.Join('|', Cut(new RegexPattern("(?i)[ks]", "p"), "xKx\u212ax\u017f")));
        Assert.Equal("a|\n|b", string.Join('|', Cut(new RegexPattern(".", "p"), "a\nb")));
        Assert.Equal("\U00020000|😀", string.Join('|', Cut(new RegexPattern(@"\p{L}|\p{So}", "p"), "\U00020000😀")));
        Assert.Equal("ab|.|cd", string.Join('|', Cut(new RegexPattern(@"[a-z&&[^x]]+", "p"), "ab.cd")));
        Assert.Equal("aé|-|b", string.Join('|', Cut(new RegexPattern(@"\u0061\x{e9}|\x62", "p"), "aé-b")));
    }

    [Theory]
    [InlineData("(a+)+b", "a")]
    [InlineData("(a|a)*b", "a")]
    [InlineData("(a*)*b|a", "a")]
    [InlineData(@"\s+(?!\S)|\s+$|\s+x", " ")]
    [InlineData(@"(?=a*b)a|a+?c", "a")]
    [InlineData(@"(?<=b.*)a", "a")]
    [InlineData(@"(?>a+b|a)", "a")]
    [InlineData(@"\s{512}(?!\S)|\s{256}(?!\S)|\s{1}", " ")]
    [InlineData(@"(?=[ab]{30}a)a", "ab")]
    [InlineData(@"[ab]*a[ab]{20}c|a", "abba")]
    [InlineData(O200k, "letters")]
    [InlineData(O200k, " ")]
    public void Work_is_linear_in_the_text(string source, string unit)
    {
        long Steps(int length)
        {
            var random = new Random(5);
            string text = unit is "ab" or "abba"
                ? string.Create(length, random, (span, r) =>
                {
                    for (int i = 0; i < span.Length; i++) span[i] = r.Next(2) == 0 ? 'a' : 'b';
                })
                : string.Concat(Enumerable.Repeat(unit, length / unit.Length));
            return new RegexPattern(source, "p").Run(text, []);
        }

        // Twice the text is at most twice the work, and a place costs no more than making a set of instructions.
        long half = Steps(1 << 17), whole = Steps(1 << 18);
        RegexProgram program = RegexCompiler.Compile(RegexParser.Parse(source, "p"), "p", out _);
        Assert.True(whole <= (2.2 * half) + 100_000, $"{half} steps, then {whole}");
        Assert.True(whole <= (1L << 18) * 3 * (2 + program.Code.Length + (program.Behinds?.Code.Length ?? 0)), $"{whole} steps, {program.Code.Length} instructions");
    }

    [Fact]
    public void A_megabyte_of_letters_is_one_match()
    {
        string text = new('x', 1 << 20);
        List<Piece> matches = [];
        long steps = new RegexPattern(O200k, "p").Run(text, matches);
        Assert.Equal([new Piece(0, 1 << 20)], matches);
        Assert.True(steps < 4 * text.Length, $"{steps} steps");
    }

    [Fact]
    public void Blocks_do_not_show()
    {
        // Pairs lie across the edges of blocks.
        string text = "x" + string.Concat(Enumerable.Repeat("😀a 12", 20_000));
        List<Piece> matches = [];
        new RegexPattern(@"\p{So}\w| \d+", "p").FindAll(text, matches);
        Assert.Equal(40_000, matches.Count);
        Assert.All(matches, m => Assert.Equal(3, m.Length));
    }

    [Fact]
    public void Classes_have_the_code_points_that_Unicode_says()
    {
        string[] names = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn"];
        CodePointSet[] sets = [.. names.Select(n => UnicodeSets.Find(n)!)];
        (char Letter, CodePointSet Set)[] groups = [.. "LMNZCPS".Select(c => (c, UnicodeSets.Find(c.ToString())!))];
        for (int c = 0; c < CodePointSet.End; c++)
        {
            int category = (int)CharUnicodeInfo.GetUnicodeCategory(c);
            if (!sets[category].Has(c)) Assert.Fail($"U+{c:X} is not in {names[category]}");
            foreach ((char letter, CodePointSet set) in groups)
                if (set.Has(c) != (names[category][0] == letter)) Assert.Fail($"U+{c:X} in {letter}");
            bool space = c <= 0xFFFF && char.IsWhiteSpace((char)c);
            if (UnicodeSets.Space.Has(c) != space || UnicodeSets.Digit.Has(c) != (names[category] == "Nd")) Assert.Fail($"U+{c:X} in \\s or \\d");
        }

        Assert.Equal(CodePointSet.End, sets.Sum(s => s.Ranges().Sum(r => r.Last - r.First + 1)));
    }

    [Theory]
    [InlineData("Han", 0x4E00, 'か')]
    [InlineData("Hani", 0x20000, 'a')]
    [InlineData("Hiragana", 'か', 'カ')]
    [InlineData("Katakana", 'カ', 'か')]
    [InlineData("Hangul", '한', '中')]
    [InlineData("latin", 'é', 'α')]
    [InlineData("Cyrillic", 'ж', 'g')]
    [InlineData("Greek", 'α', 'a')]
    [InlineData("Script=Arabic", 'ع', 'א')]
    [InlineData("Hebrew", 'א', 'ع')]
    [InlineData("Thai", 'ก', 'ກ')]
    [InlineData("Devanagari", 'अ', 'আ')]
    [InlineData("Canadian_Aboriginal", 0x1400, 'a')]
    public void Scripts_have_their_letters(string name, int has, int hasNot)
    {
        var pattern = new RegexPattern($@"\p{{{name}}}", "p");
        Assert.Equal(char.ConvertFromUtf32(has).Length, pattern.Match(char.ConvertFromUtf32(has), 0));
        Assert.Equal(0, pattern.Match(char.ConvertFromUtf32(hasNot), 0));
    }

    private static string[] Cut(SplitPattern pattern, string text)
    {
        var pieces = new List<Piece>();
        pattern.Cut(text, new Piece(0, text.Length), pieces);
        Assert.Equal(text, string.Concat(pieces.Select(p => text.Substring(p.Start, p.Length))));
        return [.. pieces.Select(p => text.Substring(p.Start, p.Length))];
    }

    private static List<(int, int)> InCodePoints(RegexPattern pattern, string text)
    {
        List<Piece> matches = [];
        pattern.FindAll(text, matches);
        return [.. matches.Select(m => (Count(m.Start), Count(m.Start + m.Length)))];

        int Count(int at)
        {
            int count = 0;
            foreach (Rune _ in text.AsSpan(0, at).EnumerateRunes()) count++;
            return count;
        }
    }

    private static IEnumerable<string> GoldenSplits()
    {
        foreach (JsonElement row in TokenizerGoldens.Lines(Path.Combine(TokenizerGoldens.Folder, "units"), "pretokenizers.jsonl"))
            if (row.GetProperty("config").TryGetProperty("pattern", out JsonElement pattern) && pattern.TryGetProperty("Regex", out JsonElement source)) yield return source.GetString()!;
        yield return Gpt2Pattern.Instance.Source;
    }

    private static IEnumerable<string> GoldenTexts() =>
        TokenizerGoldens.Lines(Path.Combine(TokenizerGoldens.Folder, "bpe_gpt2"), "cases.jsonl").Select(r => r.Text("text")!).Distinct();

    private static Gen<string> AnyOf(params string[] items) => Gen.Int[0, items.Length - 1].Select(i => items[i]);

    private static Gen<string> RandomPattern(int depth)
    {
        Gen<string> leaf = AnyOf("a", "b", "c", "[ab]", "[^a]", ".", "^", "$", @"\b", @"\B", "", "ab", @"\d", @"\A", @"\z", "[a-c]");
        if (depth == 0) return leaf;
        Gen<string> inner = RandomPattern(depth - 1);
        Gen<string> plain = Gen.OneOf(leaf, AnyOf("(?<=a)", "(?<!b)", "(?<=ab|c)", "(?<=^|a)", "(?<!a*b)"));
        return Gen.OneOf(
            plain,
            Gen.Select(inner, inner, (a, b) => a + b),
            Gen.Select(inner, inner, (a, b) => $"(?:{a}|{b})"),
            Gen.Select(inner, AnyOf("*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{0,2}?", "{1,}", "{2,}?"), (a, q) => $"(?:{a}){q}"),
            inner.Select(a => $"(?={a})"),
            inner.Select(a => $"(?!{a})"),
            inner.Select(a => $"(?>{a})"));
    }
}
