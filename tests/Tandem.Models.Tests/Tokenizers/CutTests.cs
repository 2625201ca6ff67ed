using System.Text.Json;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Cutting a text bit by bit, each piece by the parts that may cut it, gives the pieces of cutting the whole part after part.</summary>
public class CutTests
{
    private static readonly Gen<string> Texts = Gen.String[
        Gen.OneOf(Gen.Char, Gen.Char[' ', '~'], Gen.Char['\ud7f0', '\ue010'], Gen.Char['\u4dff', '\u4e10'], Gen.OneOf(Gen.Const(' '), Gen.Const('\n'), Gen.Const('\r'), Gen.Const('\''), Gen.Const('1'), Gen.Const('\u0301'))), 0, 60];

    [Theory]
    [InlineData("""{ "type": "ByteLevel", "add_prefix_space": false }""")]
    [InlineData("""{ "type": "ByteLevel", "add_prefix_space": true }""")]
    [InlineData("""{ "type": "Digits", "individual_digits": true }""")]
    [InlineData("""{ "type": "Split", "pattern": { "Regex": "\\p{N}{1,3}" }, "behavior": "MergedWithNext", "invert": false }""")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [] }""")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "Digits", "individual_digits": true }, { "type": "ByteLevel", "add_prefix_space": false }] }""")]
    [InlineData("""{ "type": "Sequence", "pretokenizers": [{ "type": "ByteLevel", "add_prefix_space": true }, { "type": "Digits", "individual_digits": false }] }""")]
    [InlineData("""
        { "type": "Sequence", "pretokenizers": [{ "type": "Split", "pattern": { "Regex": "[\\r\\n]" }, "behavior": "Isolated", "invert": false },
        { "type": "Split", "pattern": { "Regex": "\\s?\\p{L}+" }, "behavior": "Isolated", "invert": false }, { "type": "Split", "pattern": { "Regex": "\\s?\\p{P}+" }, "behavior": "Isolated", "invert": false },
        { "type": "Split", "pattern": { "Regex": "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+" }, "behavior": "Isolated", "invert": false }, { "type": "Digits", "individual_digits": true },
        { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false }] }
        """)]
    public void Pieces_are_the_same(string json) => Check(PreTokenizer.Read(JsonDocument.Parse(json).RootElement, "pre_tokenizer")!);

    [Theory]
    [InlineData("deepseek-llm")]
    [InlineData("deepseek-coder")]
    public void Pieces_of_known_names_are_cut_in_one_go(string name)
    {
        IReadOnlyList<string> expressions = GgufPreTokenizers.Find(name, "").Expressions;
        Assert.NotNull(BorderTable.TryMake([.. expressions.Select(e => SplitPattern.Find(e, "").RunCut!)]));
        Check(PatternSequence.Make(expressions, ""));
    }

    // Few characters, so that sets overlap and runs meet in every way; without a table are only two cuts of white space at the end.
    [Fact]
    public void Runs_cut_in_one_go_are_those_cut_one_after_another()
    {
        string[] sets = [@"\s", @"\p{L}", "[ab]", "[bc]", "[ a]", "[\U0001f600b]", "[\r\n]", "[\u00e9 ]", @"\p{N}", "[^a]"], characters = ["a", "b", "c", " ", "\n", "1", ".", "\u00e9", "\U0001f600", "\ud83d", "\ude00"];
        Gen<string> set = Gen.Int[0, sets.Length - 1].Select(i => sets[i]);
        Gen<string> cut = Gen.Select(set, set, Gen.Int[0, 3]).Select((before, run, kind) => kind switch { 0 => run, 1 => run + "+", 2 => $"{before}?{run}+", _ => @"\s+$" });
        Gen<string> texts = Gen.Int[0, characters.Length - 1].Array[1, 14].Select(t => string.Concat(t.Select(i => characters[i])));
        int tables = 0;
        Gen.Select(cut.Array[1, 5], texts).Sample(
            (cuts, text) =>
            {
                string[] expressions = ["[\r\n]", .. cuts];
                if (BorderTable.TryMake([.. expressions.Select(e => SplitPattern.Find(e, "").RunCut!)]) is not { } table) return;
                Interlocked.Increment(ref tables);
                List<Piece> whole = [new(0, text.Length)], found = [];
                foreach (string expression in expressions) new SplitPreTokenizer(SplitPattern.Find(expression, ""), SplitBehavior.Isolated, invert: false).Apply(new AlignedText(text, 0), whole);
                for (int at = 0; at < text.Length;) table.CutNext(text, ref at, found);
                Assert.Equal(whole, found);
            },
            iter: 600);
        Assert.True(tables > 200, $"{tables}");
    }

    [Fact]
    public void Pieces_of_golden_tokenizers_are_the_same()
    {
        foreach (string folder in Directory.GetDirectories(TokenizerGoldens.Folder))
            if (TokenizerGoldens.Exists(folder, TokenizerJson.FileName) && TokenizerGoldens.Load(folder).Parts.PreTokenizer is { } preTokenizer) Check(preTokenizer);
    }

    [Fact]
    public void A_long_text_is_cut_in_several_goes()
    {
        string text = string.Concat(Enumerable.Range(0, 3_000).Select(i => $" {i} words"));
        int goes = 0;
        var pieces = new List<Piece>();
        for (int at = 0; at < text.Length; goes++) new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: true).CutNext(new AlignedText(text, 0), ref at, pieces);
        Assert.True(goes > 5);
        Assert.Equal(6_000, pieces.Count);
    }

    private static void Check(PreTokenizer preTokenizer) => Texts.Where(t => t.Length > 0).Sample(
        text =>
        {
            var whole = new List<Piece> { new(0, text.Length) };
            AlignedText expected = preTokenizer.Apply(new AlignedText(text, 0), whole);
            var words = new List<string>();
            var found = new List<Piece>();
            for (int at = 0; at < text.Length;)
            {
                found.Clear();
                AlignedText cut = preTokenizer.CutNext(new AlignedText(text, 0), ref at, found);
                foreach (Piece piece in found) words.Add(cut.Text.Slice(piece.Start, piece.Length).ToString());
            }

            var expectedWords = new List<string>();
            foreach (Piece piece in whole) expectedWords.Add(expected.Text.Slice(piece.Start, piece.Length).ToString());
            Assert.Equal(expectedWords, words);
        },
        iter: 3_000);
}
