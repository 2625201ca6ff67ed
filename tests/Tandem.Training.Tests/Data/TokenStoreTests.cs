using System.Text;
using CsCheck;
using Tandem.Models;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>Token stores: what is written is what the tokenizer gives, whatever the chunks and stops; what is read is checked.</summary>
public sealed class TokenStoreTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static readonly Gen<string> s_texts = Gen.OneOf(
        Gen.String[Gen.Char["abz 019 \n\t.,'é中—\u2003"], 0, 120],
        Gen.Int[0, 9].Select(TestFolder.Text));

    [Fact]
    public void A_text_in_chunks_has_the_tokens_of_the_whole() => Gen.Select(s_texts, Gen.Int[1, 40]).Sample(
        (text, chunk) =>
        {
            string path = Path.Combine(_folder.Path, Guid.NewGuid().ToString("N"));
            File.WriteAllText(path, text);
            var tokens = new List<int>();
            var pieces = new List<TextPiece>();
            using (var reader = new DocumentReader([new TextInput(path, false)], "text", chunk))
                while (reader.Next() is { } next) pieces.AddRange(next);
            foreach (TextPiece piece in pieces) TestFolder.Tokenizer.Encode(piece.Text, tokens);
            Assert.Equal(TestFolder.Tokenizer.Encode(text), tokens);
            Assert.Equal(text, string.Concat(pieces.Select(p => p.Text)));
            Assert.Equal(text.Length > 0 ? 1 : 0, pieces.Count(p => p.EndsDocument));
            Assert.Equal(Encoding.UTF8.GetByteCount(text), pieces.Sum(p => p.Bytes));
            File.Delete(path);
        },
        iter: 300,
        threads: 1);

    [Fact]
    public void Texts_lines_and_folders_become_documents_in_order()
    {
        Directory.CreateDirectory(_folder["in/deeper"]);
        _folder.Write("in/b.txt", "second text");
        _folder.Write("in/a.jsonl", "\uFEFF{\"id\": 1, \"text\": \"line one\"}\n\n{\"text\": \"\"}\r\n{\"meta\": {\"text\": \"no\"}, \"text\": \"caf\\u00e9\"}");
        _folder.Write("in/deeper/c.md", "\uFEFFthird");
        _folder.Write("in/skipped.bin", "not text");
        using TokenStore store = Build("s", TextInputs.Find([_folder["in"], _folder["in/b.txt"]]));
        string[] expected = ["line one", "café", "second text", "third", "second text"];
        Assert.Equal(expected.Length, store.NumDocuments);
        for (int i = 0; i < expected.Length; i++) Assert.Equal([.. TestFolder.Tokenizer.Encode(expected[i]), 0], Document(store, i));
        Assert.Equal(expected.Sum(Encoding.UTF8.GetByteCount), store.TextBytes);
        Assert.Equal((2, 320, 0), (store.TokenBytes, store.VocabSize, store.EndToken));
        store.Verify();
        store.RequireTokenizer(TestFolder.Tokenizer);
        Assert.Contains("another tokenizer", Assert.Throws<TandemException>(() => store.RequireTokenizer(new BpeTrainer().Train(256, []))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Threads_chunks_and_stops_change_no_byte()
    {
        string text = _folder.Write("t.txt", TestFolder.Text(2000));
        string lines = _folder.Write("l.jsonl", string.Concat(Enumerable.Range(0, 500).Select(i => $"{{\"text\": \"document {i} {new string('x', i % 7)}\"}}\n")));
        IReadOnlyList<TextInput> inputs = TextInputs.Find([text, lines]);
        Build("whole", inputs).Dispose();
        byte[] whole = File.ReadAllBytes(_folder["whole"]);
        Build("other", inputs, new TokenStoreOptions { Tokenizer = TestFolder.Tokenizer, EndToken = 0, Threads = 1, ChunkBytes = 100 }).Dispose();
        Assert.Equal(whole, File.ReadAllBytes(_folder["other"]));

        var options = new TokenStoreOptions { Tokenizer = TestFolder.Tokenizer, EndToken = 0, Threads = 2, ChunkBytes = 1000, CommitBytes = 1 };
        int stops = 0;
        for (bool done = false; !done;)
        {
            using var cancel = new CancellationTokenSource();
            using TokenStoreBuilder builder = TokenStoreBuilder.Start(_folder["stopped"], inputs, options);
            Assert.Equal(stops > 0, builder.WasResumed);
            Assert.Contains("stopped.partial", Assert.Throws<TandemException>(() => TokenStoreBuilder.Start(_folder["stopped"], inputs, options)).Message, StringComparison.Ordinal);
            int rounds = 0;
            try
            {
                builder.Run(_ => { if (++rounds == 2) cancel.Cancel(); }, cancel.Token);
                done = true;
            }
            catch (OperationCanceledException)
            {
                // What was appended behind the last commit of a killed build is cut off.
                builder.Dispose();
                File.AppendAllText(_folder["stopped.partial"], "torn");
                File.AppendAllText(_folder["stopped.partial.index"], "torn");
                stops++;
            }
        }

        Assert.True(stops > 2);
        Assert.Equal(whole, File.ReadAllBytes(_folder["stopped"]));
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.partial*"));
    }

    [Fact]
    public void A_build_with_other_inputs_starts_over()
    {
        string text = _folder.Write("t.txt", TestFolder.Text(500));
        using var cancel = new CancellationTokenSource();
        using (TokenStoreBuilder builder = TokenStoreBuilder.Start(_folder["s"], TextInputs.Find([text]), new TokenStoreOptions { Tokenizer = TestFolder.Tokenizer, Threads = 1, ChunkBytes = 100, CommitBytes = 1 }))
            Assert.Throws<OperationCanceledException>(() => builder.Run(_ => cancel.Cancel(), cancel.Token));
        File.WriteAllText(text, "another text");
        using TokenStore store = Build("s", TextInputs.Find([text]), new TokenStoreOptions { Tokenizer = TestFolder.Tokenizer });
        Assert.Equal(TestFolder.Tokenizer.Encode("another text"), Document(store, 0));
    }

    [Fact]
    public void Bad_input_is_named_with_its_place()
    {
        File.WriteAllBytes(_folder["bad.txt"], [.. Encoding.UTF8.GetBytes("first line\nsecond é "), 0xC3, 0x28, (byte)'z']);
        Refused("0xc3 at 21 (line 2)", "bad.txt");
        File.WriteAllBytes(_folder["cut.txt"], [(byte)'a', 0xE4, 0xB8]);
        Refused("0xe4 at 1 (line 1)", "cut.txt");
        _folder.Write("empty.txt", "");
        Refused("no text", "empty.txt");
        Refused("no such file", "missing.txt");
        Directory.CreateDirectory(_folder["none"]);
        Refused("no files that end with", "none");
        _folder.Write("a.jsonl", "{\"text\": \"x\"}\n{\"body\": 1, \"title\": \"\"}\n");
        Refused("line 2 has no text; it has body, title", "a.jsonl");
        _folder.Write("b.jsonl", "{\"text\": 3}");
        Refused("line 1: text is no string", "b.jsonl");
        _folder.Write("c.jsonl", "{\"text\": \"x\"}\n\n[1]\n");
        Refused("line 3 is no JSON object", "c.jsonl");
        _folder.Write("d.jsonl", "{\"text\": \"\\ud800\"}");
        Refused("line 1 is not valid JSON", "d.jsonl");
        _folder.Write("e.jsonl", "{\"text\": \"x\"} {\n");
        Refused("line 1 is not valid JSON", "e.jsonl");
        File.WriteAllBytes(_folder["f.jsonl"], [.. "{\"text\": \"a\"}\n{\"text\": \""u8, 0xff, .. "\"}"u8]);
        Refused("0xff at 24 (line 2)", "f.jsonl");
        _folder.Write("out", "there already");
        Assert.Contains("there already", Assert.Throws<TandemException>(() => TokenStoreBuilder.Start(_folder["out"], TextInputs.Find([_folder["a.jsonl"]]), new TokenStoreOptions { Tokenizer = TestFolder.Tokenizer })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Truncated_and_lying_files_are_refused()
    {
        using (Build("s", TextInputs.Find([_folder.Write("t.txt", TestFolder.Text(30)), _folder.Write("u.txt", "more")])))
        {
        }

        byte[] good = File.ReadAllBytes(_folder["s"]);
        Assert.Contains("cut off", OpenError(good[..^8]), StringComparison.Ordinal);
        Assert.Contains("no token store", OpenError(good[..100]), StringComparison.Ordinal);
        Assert.Contains("cut off", OpenError([.. good, 0]), StringComparison.Ordinal);
        Assert.Contains("does not start with", OpenError(new byte[500]), StringComparison.Ordinal);
        Assert.Contains("header's checksum", OpenError(With(good, 20, 1)), StringComparison.Ordinal);
        Assert.Contains("version 2", OpenError(With(good, 8, 2)), StringComparison.Ordinal);

        // With a right checksum the header still has to fit the file.
        Gen.Select(Gen.Int[12, 119], Gen.Byte, Gen.Int[0, 7]).Sample(
            (at, value, more) =>
            {
                byte[] bytes = (byte[])good.Clone();
                for (int i = at; i <= Math.Min(119, at + more); i++) bytes[i] = value;
                BitConverter.TryWriteBytes(bytes.AsSpan(120), Checksum.XxHash3(bytes.AsSpan(0, 120)));
                ReadAll(bytes);
            },
            iter: 2000,
            threads: 1);
        Gen.Select(Gen.Int[128, good.Length - 1], Gen.Byte, Gen.Int[0, 20]).Sample(
            (at, value, cut) =>
            {
                byte[] bytes = With(good, at, value);
                ReadAll(bytes[..(bytes.Length - (cut > 10 ? cut : 0))]);
            },
            iter: 500,
            threads: 1);
    }

    [Fact]
    public void Ids_beyond_the_vocabulary_and_changed_bytes_are_named()
    {
        using (Build("s", TextInputs.Find([_folder.Write("t.txt", TestFolder.Text(30))])))
        {
        }

        byte[] bytes = File.ReadAllBytes(_folder["s"]);
        (bytes[130], bytes[131]) = (0xff, 0xff);
        File.WriteAllBytes(_folder["s"], bytes);
        using TokenStore store = TokenStore.Open(_folder["s"]);
        Assert.Contains("token 1 is 65535; accepted: 0 to 319", Assert.Throws<TandemException>(() => store.Read(0, new int[5])).Message, StringComparison.Ordinal);
        Assert.Contains("damaged", Assert.Throws<TandemException>(store.Verify).Message, StringComparison.Ordinal);
        Assert.Contains("were asked for", Assert.Throws<TandemException>(() => store.Read(store.NumTokens - 1, new int[2])).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private TokenStore Build(string name, IReadOnlyList<TextInput> inputs, TokenStoreOptions? options = null)
    {
        using (TokenStoreBuilder builder = TokenStoreBuilder.Start(_folder[name], inputs, options ?? new TokenStoreOptions { Tokenizer = TestFolder.Tokenizer, EndToken = 0 })) builder.Run();
        return TokenStore.Open(_folder[name]);
    }

    private void Refused(string part, string input)
    {
        TandemException error = Assert.Throws<TandemException>(() =>
        {
            using TokenStoreBuilder builder = TokenStoreBuilder.Start(_folder["refused"], TextInputs.Find([_folder[input]]), new TokenStoreOptions { Tokenizer = TestFolder.Tokenizer });
            builder.Run();
        });
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(_folder["refused"]));
    }

    private string OpenError(byte[] bytes)
    {
        File.WriteAllBytes(_folder["mutant"], bytes);
        return Assert.Throws<TandemException>(() => TokenStore.Open(_folder["mutant"])).Message;
    }

    // Either refused with an error for users, or readable to the end.
    private void ReadAll(byte[] bytes)
    {
        File.WriteAllBytes(_folder["mutant"], bytes);
        try
        {
            using TokenStore store = TokenStore.Open(_folder["mutant"]);
            for (long i = 0; i < store.NumDocuments; i++) Document(store, i);
        }
        catch (TandemException)
        {
        }
    }

    private static byte[] With(byte[] bytes, int at, byte value)
    {
        byte[] changed = (byte[])bytes.Clone();
        changed[at] = value;
        return changed;
    }

    private static int[] Document(TokenStore store, long document)
    {
        var tokens = new int[store.DocumentStart(document + 1) - store.DocumentStart(document)];
        store.Read(store.DocumentStart(document), tokens);
        return tokens;
    }
}
