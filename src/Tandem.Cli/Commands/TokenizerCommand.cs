using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Makes tokenizers.</summary>
internal static class TokenizerCommand
{
    private const string Bpe = "bpe", Unigram = "unigram", WordPiece = "wordpiece";

    public static Command Create() => new("tokenizer", "Make a tokenizer. Example: tandem tokenizer train my-tokenizer corpus.txt --vocab-size 8000") { CreateTrain() };

    private static Command CreateTrain()
    {
        var output = new Argument<string>("out") { Description = "File that ends in .json, or folder for tokenizer.json" };
        var inputs = new Argument<string[]>("input") { Description = "UTF-8 text files; folders are read with all files below them", Arity = ArgumentArity.OneOrMore };
        var vocabSize = new Option<int>("--vocab-size") { Description = "Tokens in all, special ones and bytes included", Required = true };
        var type = new Option<string>("--type") { Description = "bpe (byte level), unigram (with byte fallback) or wordpiece (as BERT's, lower case)", DefaultValueFactory = _ => Bpe };
        type.AcceptOnlyFromAmong(Bpe, Unigram, WordPiece);
        var special = new Option<string[]>("--special") { Description = "Special token; may be given several times, ids in this order; wordpiece has BERT's without it", DefaultValueFactory = _ => [] };
        var minFrequency = new Option<long>("--min-frequency") { Description = "bpe, wordpiece: pairs seen less often are not joined", DefaultValueFactory = _ => 2 };
        var prefixSpace = new Option<bool>("--add-prefix-space") { Description = "bpe: each text gets a space before it" };
        var threads = new Option<int>("--threads") { Description = "Threads; the result is the same with any number; 0 takes all cores" };
        var json = new Option<bool>("--json") { Description = "Print the result as one JSON object" };
        var command = new Command("train", """
            Train a tokenizer on text files, which are read as streams: they need not fit into memory, their different words must.

            Examples:
              tandem tokenizer train my-tokenizer corpus.txt --vocab-size 8000 --special "<|endoftext|>"
              tandem tokenizer train tokenizer.json books/ --vocab-size 32000 --type unigram --special "<s>" --special "</s>"
              tandem tokenizer train bert/ corpus.txt --vocab-size 30000 --type wordpiece --json
            """)
        {
            output, inputs, vocabSize, type, special, minFrequency, prefixSpace, threads, json,
        };
        command.SetAction(parse =>
        {
            var request = new Request(
                parse.GetValue(type)!, parse.GetValue(output)!, [.. parse.GetValue(inputs)!.SelectMany(Files)], parse.GetValue(vocabSize), parse.GetValue(special)!,
                parse.GetValue(minFrequency), parse.GetValue(prefixSpace), parse.GetValue(threads), parse.GetValue(json));
            using var interrupt = new Interrupt("stopping; nothing is written");
            try
            {
                Train(request, interrupt.Token);
                return 0;
            }
            catch (OperationCanceledException)
            {
                return Interrupt.ExitCode;
            }
        });
        return command;
    }

    private static void Train(Request request, CancellationToken cancel)
    {
        if (request.Type != Bpe && request.PrefixSpace) throw new TandemException($"--add-prefix-space with --type {request.Type}, wanted --type {Bpe}");
        var clock = Stopwatch.StartNew();
        long bytes;
        Tokenizer tokenizer;
        switch (request.Type)
        {
            case Bpe:
                var bpe = new BpeTrainer(request.PrefixSpace) { Cancel = cancel };
                bytes = Count(request, reader => bpe.Add(reader, request.Threads));
                tokenizer = bpe.Train(request.VocabSize, request.Special, request.MinFrequency);
                break;
            case Unigram:
                var unigram = new UnigramTrainer { Cancel = cancel };
                bytes = Count(request, reader => unigram.Add(reader, request.Threads));
                tokenizer = unigram.Train(request.VocabSize, request.Special, threads: request.Threads);
                break;
            default:
                var wordPiece = new WordPieceTrainer { Cancel = cancel };
                bytes = Count(request, reader => wordPiece.Add(reader, request.Threads));
                tokenizer = wordPiece.Train(request.VocabSize, request.Special.Count > 0 ? request.Special : WordPieceTrainer.BertTokens, request.MinFrequency);
                break;
        }

        string path = request.Output;
        if (!path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
        {
            Directory.CreateDirectory(path);
            path = Path.Combine(path, TokenizerJson.FileName);
        }

        TokenizerJson.Save(tokenizer, path);
        double seconds = clock.Elapsed.TotalSeconds;
        Console.WriteLine(request.Json
            ? JsonSerializer.Serialize(new { path, type = request.Type, vocab_size = tokenizer.VocabSize, bytes, seconds = Math.Round(seconds, 3) })
            : string.Create(CultureInfo.InvariantCulture, $"{path}: {tokenizer.VocabSize} tokens from {bytes:N0} bytes in {seconds:F1} s"));
    }

    private static IEnumerable<string> Files(string path) =>
        Directory.Exists(path) ? Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal) : [path];

    // Reads all files; on a terminal with how far it is, how fast, and the time left.
    private static long Count(Request request, Action<TextReader> add)
    {
        long all = request.Files.Sum(f => File.Exists(f) ? new FileInfo(f).Length : 0), done = 0;
        var clock = Stopwatch.StartNew();
        using var timer = new Timer(_ => Show(Interlocked.Read(ref done), all, clock.Elapsed.TotalSeconds), null, Console.IsErrorRedirected ? Timeout.Infinite : 1000, 1000);
        foreach (string file in request.Files)
        {
            try
            {
                long before = done;
                using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read);
                using var reader = new ProgressReader(stream, read => Interlocked.Exchange(ref done, before + read));
                add(reader);
                done = before + stream.Length;
            }
            catch (DecoderFallbackException e)
            {
                throw new TandemException($"'{file}' is not UTF-8: byte 0x{e.BytesUnknown?[0]:x2}", e);
            }
            catch (Exception e) when (FileErrors.IsFileError(e))
            {
                throw FileErrors.Wrap("cannot read", file, e);
            }
        }

        return done > 0 ? done : throw new TandemException("the input has no text, wanted at least one byte");
    }

    private static void Show(long done, long all, double seconds)
    {
        double rate = done / seconds;
        string left = rate > 0 && done < all ? string.Create(CultureInfo.InvariantCulture, $", {(all - done) / rate:F0} s left") : "";
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{done / 1e6:F0} of {all / 1e6:F0} MB counted, {rate / 1e6:F1} MB/s{left}"));
    }

    private sealed record Request(
        string Type, string Output, IReadOnlyList<string> Files, int VocabSize, IReadOnlyList<string> Special, long MinFrequency, bool PrefixSpace, int Threads, bool Json);

    /// <summary>Strict UTF-8 that says how much of the file was read.</summary>
    private sealed class ProgressReader(Stream stream, Action<long> read) : StreamReader(stream, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false, bufferSize: 1 << 16)
    {
        public override int ReadBlock(char[] buffer, int index, int count)
        {
            int length = base.ReadBlock(buffer, index, count);
            read(BaseStream.Position);
            return length;
        }
    }
}
