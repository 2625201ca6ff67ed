using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>The fast ways of encoding give what the plain ones give, in steps linear in the text, and allocate nothing but the result.</summary>
public class BpeSpeedTests
{
    private static readonly string[] ByteLevel =
        ["bpe_gpt2", "bpe_cl100k", "bpe_deepseek_v3", "bpe_digits_smollm", "bpe_llama3_ignore_merges", "bpe_neox_space_runs", "bpe_qwen2_nfc", "bpe_roberta_prefix_space"];

    [Fact]
    public void Random_vocabularies_encode_as_the_plain_merger_does()
    {
        int paths = 0, mergers = 0;

        // Few letters, so that pairs overlap in all ways; tokens made by several pairs, and pairs of a lower rank than their parts.
        Gen.Select(Gen.Select(Gen.Int[0, 1 << 20], Gen.Int[0, 1 << 20]).Array[0, 24], Gen.Char['a', 'd'].Array[1, 40].Array[8], Gen.Int[0, 2]).Sample(
            (picks, words, disorder) =>
            {
                List<string> tokens = [.. "abcd".Select(c => c.ToString())];
                var merges = new List<(string, string)>();
                foreach ((int left, int right) in picks)
                {
                    (string, string) pair = (tokens[left % tokens.Count], tokens[right % tokens.Count]);
                    merges.Add(pair);
                    string joined = pair.Item1 + pair.Item2;
                    if (joined.Length <= 12 && !tokens.Contains(joined)) tokens.Add(joined);
                }

                merges.RemoveAll(m => m.Item1.Length + m.Item2.Length > 12);
                if (disorder > 0) merges = [.. merges.OrderBy(m => HashCode.Combine(m.Item1.Length, picks.Length) % (disorder + 1))];
                Dictionary<string, int> vocabulary = Vocabulary(tokens);
                var fast = new ByteLevelBpe(vocabulary, merges);
                var plain = new PlainBpe(vocabulary, merges);
                if (fast.HasPath) Interlocked.Increment(ref paths);
                else Interlocked.Increment(ref mergers);
                foreach (char[] word in words)
                {
                    var ids = new List<int>();
                    fast.Encode(word, ids, null);
                    Assert.Equal(plain.Encode(new string(word)), ids);
                }
            },
            iter: 20_000);
        Assert.True(paths > 1000 && mergers > 100, $"{paths} vocabularies by the path, {mergers} by merging");
    }

    [Fact]
    public void Golden_vocabularies_encode_any_text_as_the_plain_merger_does()
    {
        foreach (string name in ByteLevel)
        {
            var model = (ByteLevelBpe)TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name)).Model;
            Assert.True(model.HasPath);
            if (model.IgnoreMerges) model = new ByteLevelBpe(new Dictionary<string, int>(model.Vocabulary), model.Merges);
            var plain = new PlainBpe(model.Vocabulary, model.Merges);
            Gen<string> latin = Gen.String[Gen.OneOf(Gen.Char['a', 'z'], Gen.Const(' '), Gen.Char['0', '9']), 0, 80];
            Gen.OneOf(latin, Gen.String[Gen.Char, 0, 40], Gen.String[Gen.Char['\u4e00', '\u4eff'], 0, 40]).Sample(
                text =>
                {
                    var ids = new List<int>();
                    model.Encode(text, ids, null);
                    Assert.Equal(plain.Encode(text), ids);
                },
                iter: 2_000);
        }
    }

    [Fact]
    public void Words_of_sentencepiece_vocabularies_give_the_ids_of_the_text_as_one_word()
    {
        foreach (string name in (string[])["spm_bpe_gemma", "spm_bpe_llama2_legacy", "spm_bpe_metaspace_always_split", "spm_bpe_metaspace_first", "spm_bpe_partial_bytes_fuse_unk", "spm_bpe_partial_bytes_no_fuse"])
        {
            TokenModel model = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name)).Model;
            Gen.String[Gen.OneOf(Gen.Char, Gen.Char['a', 'z'], Gen.Char['a', 'z'], Gen.Const('\u2581'), Gen.Const('\u2581')), 1, 80].Sample(
                text =>
                {
                    List<int> whole = [], words = [];
                    model.Encode(text, whole, null);
                    model.EncodeWords(text, [new Piece(0, text.Length)], words);
                    Assert.Equal(whole, words);
                },
                iter: 3_000);
        }
    }

    [Fact]
    public void Every_code_point_alone_and_doubled_is_encoded_and_comes_back()
    {
        foreach (string name in (string[])["bpe_gpt2", "bpe_cl100k"])
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name));
            var plain = new PlainBpe(tokenizer.Model.Vocabulary, tokenizer.Model.Merges);
            var ids = new List<int>();
            for (int codePoint = 0; codePoint <= 0x10FFFF; codePoint++)
            {
                bool half = codePoint is >= 0xD800 and <= 0xDFFF;
                string one = half ? ((char)codePoint).ToString() : char.ConvertFromUtf32(codePoint), two = one + one;
                foreach (string text in (string[])[one, two])
                {
                    ids.Clear();
                    tokenizer.Encode(text, ids);
                    string expected = half ? new string('\ufffd', text.Length) : text;
                    if (tokenizer.Decode(ids) != expected) Assert.Fail($"U+{codePoint:X4} comes back as '{tokenizer.Decode(ids)}'");
                }

                // The plain merger is slow; every seventeenth and all of the first plane's beginning.
                if (codePoint > 0x3000 && codePoint % 17 != 0) continue;
                ids.Clear();
                tokenizer.Model.Encode(two, ids, null);
                Assert.Equal(plain.Encode(two), ids);
            }
        }
    }

    [Theory]
    [InlineData("a")]
    [InlineData("ab")]
    [InlineData("the")]
    [InlineData(" ")]
    [InlineData("\n ")]
    [InlineData("\u4e2d\u6587")]
    [InlineData("antidisestablishmentarianism")]
    public void The_steps_of_a_word_grow_with_its_length_and_no_faster(string unit)
    {
        foreach (string name in ByteLevel)
        {
            var model = (ByteLevelBpe)TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name)).Model;
            long previous = 0;
            for (int length = 1 << 14; length <= 1 << 20; length *= 4)
            {
                long steps = model.Steps(string.Concat(Enumerable.Repeat(unit, length / unit.Length)));
                Assert.InRange(steps, 1, 4L * length);
                if (previous > 0) Assert.InRange(steps, 3.5 * previous, 4.5 * previous);
                previous = steps;
            }
        }
    }

    [Fact]
    public void The_steps_of_random_words_stay_linear()
    {
        var random = new Random(7);
        foreach (string name in ByteLevel)
        {
            var model = (ByteLevelBpe)TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name)).Model;
            foreach (int letters in (int[])[2, 3, 26])
            {
                string word = string.Create(1 << 18, (random, letters), (text, state) =>
                {
                    for (int i = 0; i < text.Length; i++) text[i] = (char)('a' + state.random.Next(state.letters));
                });
                Assert.InRange(model.Steps(word), 1, 8L * word.Length);
            }
        }
    }

    [Fact]
    public void Encoding_allocates_the_result_and_nothing_else()
    {
        string text = string.Concat(Enumerable.Repeat("It's the 1st of 365 days,\nand nothing else... \u4e2d\u6587 d\u00e9j\u00e0 vu internationalization of pneumonoultramicroscopicsilicovolcanoconiosis\t", 300));
        foreach (string name in (string[])["bpe_gpt2", "bpe_cl100k", "bpe_deepseek_v3", "bpe_digits_smollm", "bpe_llama3_ignore_merges"])
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name));
            for (int i = 0; i < 3; i++) tokenizer.Encode(text);
            int[] copy = new int[tokenizer.Encode(text).Length];
            long before = GC.GetAllocatedBytesForCurrentThread();
            int[] ids = [.. copy];
            long result = GC.GetAllocatedBytesForCurrentThread() - before;
            before = GC.GetAllocatedBytesForCurrentThread();
            ids = tokenizer.Encode(text);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(result == allocated, $"{name}: {allocated} bytes for a result of {result}");
            Assert.Equal(copy.Length, ids.Length);
        }
    }

    [Fact]
    public void Decoding_allocates_the_text_and_nothing_else()
    {
        Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, "bpe_gpt2"));
        int[] ids = tokenizer.Encode(string.Concat(Enumerable.Repeat("It's the 1st of 365 days. ", 300)));
        var decoder = new TokenDecoder(tokenizer);
        for (int i = 0; i < 3; i++) Stream();
        string text = tokenizer.Decode(ids);
        char[] units = text.ToCharArray();
        long before = GC.GetAllocatedBytesForCurrentThread();
        string copy = new(units);
        long result = GC.GetAllocatedBytesForCurrentThread() - before;
        before = GC.GetAllocatedBytesForCurrentThread();
        string decoded = tokenizer.Decode(ids);
        Assert.Equal(result, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(copy, decoded);
        before = GC.GetAllocatedBytesForCurrentThread();
        Stream();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Stream()
        {
            foreach (int id in ids) decoder.AppendSpan(id);
        }
    }

    [Fact]
    public void Threads_share_the_cache_and_get_the_same_ids()
    {
        // A small vocabulary has a small cache, whose slots the threads write over all the time.
        Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, "bpe_gpt2"));
        var plain = new PlainBpe(tokenizer.Model.Vocabulary, tokenizer.Model.Merges);
        string[] words = [.. Enumerable.Range(0, 20_000).Select(i => $" w{i * 7919 % 100_003}".Replace('1', 'e'))];
        int[][] expected = [.. words.Select(w => plain.Encode(w.Replace(" ", "", StringComparison.Ordinal)))];
        Parallel.For(0, 4, thread =>
        {
            var ids = new List<int>();
            Piece[] piece = new Piece[1];
            for (int round = 0; round < 3; round++)
            {
                for (int i = thread; i < words.Length; i++)
                {
                    ids.Clear();
                    piece[0] = new Piece(1, words[i].Length - 1);
                    tokenizer.Model.EncodeWords(words[i], piece, ids);
                    Assert.Equal(expected[i], ids);
                }
            }
        });
    }

    private static Dictionary<string, int> Vocabulary(IEnumerable<string> tokens)
    {
        var vocabulary = new Dictionary<string, int>();
        foreach (string token in Enumerable.Range(0, 256).Select(b => ByteAlphabet.Characters[b].ToString()).Concat(tokens)) vocabulary.TryAdd(token, vocabulary.Count);
        return vocabulary;
    }
}
