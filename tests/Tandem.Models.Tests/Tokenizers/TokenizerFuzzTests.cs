using System.Text;
using CsCheck;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Files and texts that nobody would write: a file loads or is refused with its place, a text is encoded and comes back.</summary>
public class TokenizerFuzzTests(ITestOutputHelper output)
{
    private const int MutationsOfEach = 70;

    private static readonly string[] Hostile = ["0", "-1", "4194304", "1e999", "null", "true", "\"\"", "\"\\ud800\"", "[]", "{}", "[[]]", "\"a\"", "99999999999999999999"];

    [Fact]
    public void Mutated_files_load_or_are_refused_with_the_place()
    {
        string temporary = Path.Combine(Directory.CreateTempSubdirectory("tandem-fuzz-").FullName, TokenizerJson.FileName);
        try
        {
            int loaded = 0, refused = 0;
            foreach (string folder in Directory.GetDirectories(TokenizerGoldens.Folder).Where(f => TokenizerGoldens.Exists(f, TokenizerJson.FileName)).Order(StringComparer.Ordinal))
            {
                byte[] file = TokenizerGoldens.Read(folder, TokenizerJson.FileName);
                var random = new Random(Path.GetFileName(folder).Length);
                for (int i = 0; i < MutationsOfEach; i++)
                {
                    File.WriteAllBytes(temporary, Mutated(file, random, i));
                    try
                    {
                        Tokenizer tokenizer = TokenizerJson.Load(temporary);
                        loaded++;
                        Use(tokenizer);
                    }
                    catch (TandemException e)
                    {
                        refused++;
                        Assert.NotEmpty(e.Message);
                    }
                }
            }

            output.WriteLine($"{loaded} mutated files loaded, {refused} were refused");
            Assert.True(loaded > 100 && refused > 100);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(temporary)!, recursive: true);
        }
    }

    [Fact]
    public void Random_text_comes_back_and_halves_of_pairs_become_the_replacement_character()
    {
        foreach (string name in (string[])["bpe_gpt2", "bpe_cl100k", "bpe_deepseek_v3", "bpe_digits_smollm", "bpe_llama3_ignore_merges"])
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name));
            Gen.String[Gen.OneOf(Gen.Char, Gen.Char['\ud800', '\udfff'], Gen.Char[' ', '~']), 0, 100].Sample(
                text =>
                {
                    int[] ids = tokenizer.Encode(text);
                    Assert.Equal(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)), tokenizer.Decode(ids));
                    Assert.Equal(ids, tokenizer.EncodeWithOffsets(text).Ids);
                    var decoder = new TokenDecoder(tokenizer);
                    Assert.Equal(tokenizer.Decode(ids), string.Concat(ids.Select(decoder.Append)) + decoder.Flush());
                },
                iter: 3_000);
        }
    }

    [Fact]
    public void Random_ids_decode_to_the_same_text_at_once_and_one_by_one()
    {
        foreach (string name in (string[])["bpe_gpt2", "bpe_cl100k"])
        {
            Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, name));
            Gen.Int[0, tokenizer.VocabSize - 1].Array[0, 60].Sample(
                ids =>
                {
                    var decoder = new TokenDecoder(tokenizer);
                    Assert.Equal(string.Concat(ids.Select(decoder.Append)) + decoder.Flush(), tokenizer.Decode(ids));
                },
                iter: 5_000);
        }
    }

    [Theory]
    [InlineData(' ')]
    [InlineData('a')]
    [InlineData('\0')]
    public void Ten_million_of_one_character_take_memory_linear_in_the_text(char c)
    {
        const int Length = 10_000_000;
        Tokenizer tokenizer = TokenizerGoldens.Load(Path.Combine(TokenizerGoldens.Folder, "bpe_gpt2"));
        string text = new(c, Length);
        (int[] ids, long allocated) = ([], 0);

        // A thread of its own: the list of ids that a thread keeps decides how often it grows, and other tests must not.
        var thread = new Thread(() =>
        {
            tokenizer.Encode(text[..1000]);
            long before = GC.GetAllocatedBytesForCurrentThread();
            ids = tokenizer.Encode(text);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        });
        thread.Start();
        thread.Join();
        Assert.InRange(allocated, 4L * ids.Length, (16L * ids.Length) + (3L * Length));
        Assert.Equal(Length, tokenizer.Decode(ids).Length);
    }

    [Fact]
    public void Deep_nesting_and_text_that_is_no_utf8_are_refused()
    {
        string temporary = Path.Combine(Directory.CreateTempSubdirectory("tandem-fuzz-").FullName, TokenizerJson.FileName);
        try
        {
            File.WriteAllText(temporary, new string('[', 1_000_000));
            Assert.Contains(TokenizerJson.FileName, Assert.Throws<TandemException>(() => TokenizerJson.Load(temporary)).Message, StringComparison.Ordinal);
            File.WriteAllBytes(temporary, [.. "{ \"model\": \""u8, 0xC3, 0x28, .. "\" }"u8]);
            Assert.Contains(TokenizerJson.FileName, Assert.Throws<TandemException>(() => TokenizerJson.Load(temporary)).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(temporary)!, recursive: true);
        }
    }

    // Uses it as far as it can be: what a model cannot write is refused when it meets it.
    private static void Use(Tokenizer tokenizer)
    {
        int[] ids = tokenizer.Encode("Hello 123, w\u00f6rld!\n \u4e2d\u6587 <s>", addSpecial: true, SpecialTokens.Parse);
        tokenizer.EncodeWithOffsets("Hello 123 w\u00f6rld", "pair", addSpecial: true);
        tokenizer.Decode(ids.Where(i => i < tokenizer.VocabSize));
    }

    // Bytes changed, cut or doubled; or a value in the file put in place of another.
    private static byte[] Mutated(byte[] file, Random random, int kind)
    {
        List<byte> bytes = [.. file];
        int at = random.Next(bytes.Count), length = Math.Min(random.Next(1, 40), bytes.Count - at);
        switch (kind % 7)
        {
            case 0:
                bytes[at] = (byte)random.Next(256);
                break;
            case 1:
                bytes.RemoveRange(at, length);
                break;
            case 2:
                bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length));
                break;
            case 3:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 4:
                // Another digit: ids that are there twice or are missing, other scores.
                while (at > 0 && !char.IsAsciiDigit((char)bytes[at])) at--;
                bytes[at] = (byte)(at == 0 ? bytes[at] : '0' + random.Next(10));
                break;
            case 5:
                string text = Encoding.UTF8.GetString(file);
                int flag = text.LastIndexOf(random.Next(2) == 0 ? "true" : "false", random.Next(Math.Min(4000, text.Length)), StringComparison.Ordinal);
                return Encoding.UTF8.GetBytes(flag < 0 ? text : text[flag] == 't' ? text.Remove(flag, 4).Insert(flag, "false") : text.Remove(flag, 5).Insert(flag, "true"));
            default:
                int colon = bytes.IndexOf((byte)':', random.Next(2) == 0 ? random.Next(Math.Min(3000, bytes.Count)) : at);
                if (colon < 0) break;
                int end = colon + 1;
                while (end < bytes.Count && bytes[end] is not ((byte)',' or (byte)'}' or (byte)'\n')) end++;
                bytes.RemoveRange(colon + 1, end - colon - 1);
                bytes.InsertRange(colon + 1, Encoding.UTF8.GetBytes(Hostile[random.Next(Hostile.Length)]));
                break;
        }

        return [.. bytes];
    }
}
