using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Tandem.Models;
using Tandem.Training;

namespace Tandem.Cli.Commands;

/// <summary>Makes and shows token stores.</summary>
internal static class DataCommand
{
    public static Command Create() => new("data", "Make and inspect token stores, the data of large training runs.") { CreateBuild(), CreateInspect() };

    private static Command CreateBuild()
    {
        var output = new Argument<string>("output") { Description = "The token store to make" };
        var inputs = new Argument<string[]>("inputs") { Description = "Text files, JSON lines (.jsonl, .ndjson, .json), folders of them", Arity = ArgumentArity.OneOrMore };
        var tokenizer = new Option<string>("--tokenizer") { Description = "tokenizer.json, or a model directory with one", Required = true };
        var key = new Option<string>("--json-key") { Description = "Key of the text in JSON lines", DefaultValueFactory = _ => "text" };
        var end = new Option<string?>("--end-token") { Description = "Special token behind every document; '' for none. Default: the tokenizer's end of text, if it has one" };
        var threads = new Option<int>("--threads") { Description = "Threads; 0 is one a core" };
        var json = new Option<bool>("--json") { Description = "Print the result as JSON" };
        var command = new Command("build", "Tokenise texts into a token store. A build that was stopped goes on where it was. Example: tandem data build corpus.tokens texts/ --tokenizer my-model")
        {
            output, inputs, tokenizer, key, end, threads, json,
        };
        command.SetAction((parse, _) => Task.FromResult(Build(
            parse.GetValue(output)!, parse.GetValue(inputs)!, Options(parse.GetValue(tokenizer)!, parse.GetValue(key)!, parse.GetValue(end), parse.GetValue(threads)), parse.GetValue(json))));
        return command;
    }

    private static Command CreateInspect()
    {
        var store = new Argument<string>("store") { Description = "The token store" };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "tokenizer.json or model directory: compares it, and shows the first document's text" };
        var json = new Option<bool>("--json") { Description = "Print as JSON" };
        var command = new Command("inspect", "Show what a token store holds, and check all of it. Example: tandem data inspect corpus.tokens") { store, tokenizer, json };
        command.SetAction((parse, _) => Task.FromResult(Inspect(parse.GetValue(store)!, parse.GetValue(tokenizer), parse.GetValue(json))));
        return command;
    }

    private static TokenStoreOptions Options(string tokenizerPath, string key, string? end, int threads)
    {
        Tokenizer tokenizer = LoadTokenizer(tokenizerPath);
        int? endToken = end == null ? RunData.FindEndToken(tokenizer)
            : end.Length == 0 ? null
            : RunData.FindEndToken(tokenizer, [end]) ?? throw new TandemException($"--end-token '{end}' is no special token of the tokenizer; accepted: {string.Join(", ", tokenizer.Special.Values.DefaultIfEmpty("'' (it has none)"))}");
        return new TokenStoreOptions { Tokenizer = tokenizer, EndToken = endToken, JsonKey = key, Threads = threads };
    }

    private static Tokenizer LoadTokenizer(string path) => TokenizerFiles.Load(path);

    private static int Build(string output, string[] inputs, TokenStoreOptions options, bool json)
    {
        using var stop = new Interrupt("stopping; the same command goes on from here");
        using TokenStoreBuilder builder = TokenStoreBuilder.Start(output, TextInputs.Find(inputs), options);
        if (builder.WasResumed && !json) Console.WriteLine($"going on with {output}.partial");
        var clock = Stopwatch.StartNew();
        TokenStoreProgress result;
        try
        {
            result = Show(json, report => builder.Run(report, stop.Token));
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine($"stopped; go on with: tandem data build {output} {string.Join(' ', inputs)} ...");
            return Interrupt.ExitCode;
        }

        if (json) return Inspect(output, null, json: true);
        using TokenStore store = TokenStore.Open(output);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{output}: {result.NumTokens:N0} tokens in {result.NumDocuments:N0} documents, {(double)store.TextBytes / result.NumTokens:F2} bytes a token, {store.FileBytes / 1048576.0:F1} MiB, {clock.Elapsed.TotalSeconds:F1} s"));
        return 0;
    }

    // A progress bar on a terminal, a line now and then elsewhere, nothing with --json.
    private static TokenStoreProgress Show(bool quiet, Func<Action<TokenStoreProgress>?, TokenStoreProgress> run)
    {
        if (quiet) return run(null);
        var clock = Stopwatch.StartNew();
        long firstDone = -1;
        double nextLine = 10;
        string Rate(TokenStoreProgress p)
        {
            if (firstDone < 0) firstDone = p.BytesDone;
            return string.Create(CultureInfo.InvariantCulture, $"{p.NumTokens / 1e6:F1} M tokens  {(p.BytesDone - firstDone) / 1e6 / Math.Max(1e-3, clock.Elapsed.TotalSeconds):F1} MB/s");
        }

        if (Console.IsOutputRedirected)
        {
            return run(p =>
            {
                string rate = Rate(p);
                if (clock.Elapsed.TotalSeconds < nextLine) return;
                nextLine += 10;
                double left = clock.Elapsed.TotalSeconds * (p.BytesTotal - p.BytesDone) / Math.Max(1, p.BytesDone - firstDone);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{100.0 * p.BytesDone / Math.Max(1, p.BytesTotal):F0} %  {rate}  {left:F0} s left"));
            });
        }

        TokenStoreProgress result = default;
        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask("tokenising");
                result = run(p =>
                {
                    task.MaxValue = Math.Max(1, p.BytesTotal);
                    task.Value = p.BytesDone;
                    task.Description = Markup.Escape(Rate(p));
                });
            });
        return result;
    }

    private static int Inspect(string path, string? tokenizerPath, bool json)
    {
        using TokenStore store = TokenStore.Open(path);
        store.Verify();
        long longest = 0;
        for (long i = 0; i < store.NumDocuments; i++) longest = Math.Max(longest, store.DocumentStart(i + 1) - store.DocumentStart(i));
        Tokenizer? tokenizer = tokenizerPath == null ? null : LoadTokenizer(tokenizerPath);
        if (tokenizer != null) store.RequireTokenizer(tokenizer);
        (string What, object Value)[] facts =
        [
            ("tokens", store.NumTokens), ("documents", store.NumDocuments), ("longest_document", longest), ("text_bytes", store.TextBytes), ("token_bytes", store.TokenBytes),
            ("vocab_size", store.VocabSize), ("end_token", store.EndToken ?? -1), ("tokenizer", store.TokenizerFingerprint.ToString("x16", CultureInfo.InvariantCulture)),
            ("checksum", store.ContentChecksum.ToString("x16", CultureInfo.InvariantCulture)), ("file_bytes", store.FileBytes),
        ];
        if (json)
        {
            Console.WriteLine("{" + string.Join(", ", facts.Select(f => $"\"{f.What}\": {(f.Value is string text ? JsonSerializer.Serialize(text) : Convert.ToString(f.Value, CultureInfo.InvariantCulture))}")) + "}");
            return 0;
        }

        foreach ((string what, object value) in facts) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what.Replace('_', ' '),-18}{(value is string ? value : $"{value:N0}")}"));
        Console.WriteLine("checked            header, sizes, index of documents, checksum");
        if (tokenizer == null) return 0;
        var first = new int[Math.Min(64, store.DocumentStart(1))];
        store.Read(0, first);
        Console.WriteLine($"first document     {tokenizer.Decode(first).ReplaceLineEndings(" ")}{(first.Length < store.DocumentStart(1) ? " ..." : "")}");
        return 0;
    }
}
