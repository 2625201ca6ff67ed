using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Makes tokenizers.</summary>
internal static class TokenizerCommand
{
    public static Command Create() => new("tokenizer", "Make a tokenizer. Example: tandem tokenizer train my-tokenizer corpus.txt --vocab-size 8000") { CreateTrain() };

    private static Command CreateTrain()
    {
        var output = new Argument<string>("out") { Description = "File that ends in .json, or folder for tokenizer.json" };
        var inputs = new Argument<string[]>("input") { Description = "UTF-8 text files; folders are read with all files below them", Arity = ArgumentArity.OneOrMore };
        var vocabSize = new Option<int>("--vocab-size") { Description = "Tokens in all: special ones, 256 bytes, merges", Required = true };
        var special = new Option<string[]>("--special") { Description = "Special token; may be given several times, ids in this order", DefaultValueFactory = _ => [] };
        var minFrequency = new Option<long>("--min-frequency") { Description = "Pairs seen less often are not joined", DefaultValueFactory = _ => 2 };
        var prefixSpace = new Option<bool>("--add-prefix-space") { Description = "Each text gets a space before it" };
        var command = new Command("train", """
            Train a byte-level BPE on text files, which are read as streams: they need not fit into memory, their different words must.

            Examples:
              tandem tokenizer train my-tokenizer corpus.txt --vocab-size 8000 --special "<|endoftext|>"
              tandem tokenizer train tokenizer.json books/ --vocab-size 32000
            """)
        {
            output, inputs, vocabSize, special, minFrequency, prefixSpace,
        };
        command.SetAction(parse =>
        {
            var clock = Stopwatch.StartNew();
            var trainer = new BpeTrainer(parse.GetValue(prefixSpace));
            long bytes = 0;
            foreach (string file in parse.GetValue(inputs)!.SelectMany(Files)) bytes += Count(trainer, file);
            if (bytes == 0) throw new TandemException("the input has no text, wanted at least one byte");
            Tokenizer tokenizer = trainer.Train(parse.GetValue(vocabSize), parse.GetValue(special)!, parse.GetValue(minFrequency));
            string path = parse.GetValue(output)!;
            if (!path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            {
                Directory.CreateDirectory(path);
                path = Path.Combine(path, TokenizerJson.FileName);
            }

            TokenizerJson.Save(tokenizer, path);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}: {tokenizer.VocabSize} tokens from {bytes:N0} bytes in {clock.Elapsed.TotalSeconds:F1} s"));
            return 0;
        });
        return command;
    }

    private static IEnumerable<string> Files(string path) =>
        Directory.Exists(path) ? Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal) : [path];

    private static long Count(BpeTrainer trainer, string file)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read);
            using var reader = new StreamReader(stream, new UTF8Encoding(false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false, bufferSize: 1 << 16);
            trainer.Add(reader);
            return stream.Length;
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
}
