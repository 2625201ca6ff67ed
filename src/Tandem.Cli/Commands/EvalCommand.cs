using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Tandem.Cpu;
using Tandem.Inference;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Measures how well models predict a text, and how far they are from a reference.</summary>
internal static class EvalCommand
{
    public static Command Create() => new("eval", "Measure the quality of models. Example: tandem eval perplexity model.gguf --text book.txt") { CreatePerplexity(), CreateKl() };

    private static Command CreatePerplexity()
    {
        var options = new Options();
        var command = new Command("perplexity", """
            Perplexity of a text: exp of the mean negative log-likelihood of each token given those before it in its window.

            Examples:
              tandem eval perplexity model.gguf --text book.txt --window 512
              tandem eval perplexity q4.gguf q8.gguf --text book.txt --max-windows 20 --json
            """);
        options.AddTo(command);
        command.SetAction(parse => Run(parse, options, reference: null));
        return command;
    }

    private static Command CreateKl()
    {
        var options = new Options();
        var reference = new Option<string>("--reference") { Description = "The model that is taken for right, with f32 rows", Required = true };
        var command = new Command("kl", """
            Perplexity, and Kullback-Leibler divergence from a reference model: mean, 99th percentile, and how often the most likely token is the same.

            Example:
              tandem eval kl q2.gguf q4.gguf q8.gguf --reference f16.gguf --text book.txt --max-windows 8
            """);
        options.AddTo(command);
        command.Add(reference);
        command.SetAction(parse => Run(parse, options, parse.GetValue(reference)));
        return command;
    }

    private static int Run(ParseResult parse, Options options, string? reference)
    {
        using var interrupt = new Interrupt();
        string[] models = parse.GetValue(options.Models)!;
        int[] tokens = TokenizerFiles.Load(reference ?? models[0]).Encode(ReadText(parse.GetValue(options.Text)!), addSpecial: false);
        EvaluationWindows windows = options.Windows(parse);
        windows.Cut(tokens.Length);
        using var team = new ThreadTeam(parse.GetValue(options.Threads));
        using Scorer? right = reference == null ? null : new Scorer(reference, team, windows, exact: true);
        var rows = new List<Row>();
        foreach (string path in models)
        {
            using var scorer = new Scorer(path, team, windows, parse.GetValue(options.Exact));
            PerplexityResult perplexity = WithProgress($"{Path.GetFileName(path)}: perplexity", done => Perplexity.Run(scorer.Engine, tokens, windows, done, interrupt.Token));
            DivergenceResult? divergence = right == null ? null : WithProgress($"{Path.GetFileName(path)}: divergence", done => Divergence.Run(right.Engine, scorer.Engine, tokens, windows, done, interrupt.Token));
            rows.Add(new Row(path, scorer.WeightBytes, scorer.BitsPerWeight, perplexity, divergence));
        }

        if (parse.GetValue(options.Json)) Console.WriteLine(ToJson(rows, windows));
        else Print(rows);
        return 0;
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    private static T WithProgress<T>(string what, Func<Action<int, int>, T> work)
    {
        if (Console.IsErrorRedirected) return work((_, _) => { });
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()).Start(context =>
        {
            ProgressTask task = context.AddTask(Markup.Escape(what));
            return work((done, all) => (task.MaxValue, task.Value) = (all, done));
        });
    }

    private static void Print(List<Row> rows)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("model");
        bool compared = rows[0].Divergence != null;
        string[] columns = ["MiB", "bits/weight", "perplexity", .. compared ? ["KL mean", "KL 99 %", "same top"] : (string[])[]];
        foreach (string column in columns) table.AddColumn(new TableColumn(column).RightAligned());
        foreach (Row row in rows)
        {
            string[] cells =
            [
                Markup.Escape(row.Path), Show($"{row.WeightBytes / 1048576.0:F1}"), Show($"{row.BitsPerWeight:F2}"), Show($"{row.Perplexity.Perplexity:F4}"),
                .. row.Divergence is { } d ? [Show($"{d.Mean:F6}"), Show($"{d.Percentile99:F6}"), Show($"{d.TopAgreement:P2}")] : (string[])[],
            ];
            table.AddRow(cells);
        }

        AnsiConsole.Write(table);
    }

    private static string Show(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string ToJson(List<Row> rows, EvaluationWindows windows)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("window", windows.Length);
            json.WriteNumber("stride", windows.Stride);
            json.WriteStartArray("models");
            foreach (Row row in rows)
            {
                json.WriteStartObject();
                json.WriteString("model", row.Path);
                json.WriteNumber("weight_bytes", row.WeightBytes);
                json.WriteNumber("bits_per_weight", row.BitsPerWeight);
                json.WriteNumber("tokens", row.Perplexity.Scored);
                json.WriteNumber("perplexity", row.Perplexity.Perplexity);
                json.WriteNumber("mean_nll", row.Perplexity.MeanNll);
                json.WriteStartArray("mean_nll_per_window");
                foreach (double nll in row.Perplexity.WindowNll) json.WriteNumberValue(nll);
                json.WriteEndArray();
                if (row.Divergence is { } divergence)
                {
                    json.WriteNumber("kl_mean", divergence.Mean);
                    json.WriteNumber("kl_p99", divergence.Percentile99);
                    json.WriteNumber("kl_max", divergence.Max);
                    json.WriteNumber("same_top", divergence.TopAgreement);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    private sealed record Row(string Path, long WeightBytes, double BitsPerWeight, PerplexityResult Perplexity, DivergenceResult? Divergence);

    /// <summary>A model with an engine for scoring.</summary>
    private sealed class Scorer : IDisposable
    {
        private readonly Model _model;

        public Scorer(string path, ThreadTeam team, EvaluationWindows windows, bool exact)
        {
            Engine? engine = null;
            try
            {
                // The engine first: a model that does not fit is refused before its weights are read.
                _model = Model.Load(path, windows.Length + 1, weightType: null, m => engine = new Engine(m, team, Perplexity.ScoringOptions(new EngineOptions { QuantizeRows = !exact }, windows.Length)));
                Engine = engine!;
            }
            catch
            {
                engine?.Dispose();
                throw;
            }
        }

        public Engine Engine { get; }

        public long WeightBytes => _model.WeightNames.Sum(n => _model.TypeOf(n).DType.Bytes(_model.TypeOf(n).Width));

        public double BitsPerWeight => 8.0 * WeightBytes / _model.NumParameters;

        public void Dispose()
        {
            Engine.Dispose();
            _model.Dispose();
        }
    }

    private sealed class Options
    {
        private readonly Option<int> _window = new("--window") { Description = "Tokens of a window", DefaultValueFactory = _ => 512 };
        private readonly Option<int?> _stride = new("--stride") { Description = "Tokens from one window to the next; the window's length where it is not given" };
        private readonly Option<int> _limit = new("--max-windows") { Description = "Windows at the most; 0 is all" };

        public Argument<string[]> Models { get; } = new("model") { Description = "GGUF files or Hugging Face directories", Arity = ArgumentArity.OneOrMore };

        public Option<string> Text { get; } = new("--text") { Description = "UTF-8 text", Required = true };

        public Option<bool> Exact { get; } = new("--exact") { Description = "Rows stay f32 in products with quantized weights: slow, no error but that of the weights" };

        public Option<int> Threads { get; } = new("--threads") { Description = "Threads; 0 is one a core" };

        public Option<bool> Json { get; } = new("--json") { Description = "One JSON object" };

        public void AddTo(Command command)
        {
            command.Add(Models);
            foreach (Option option in (Option[])[Text, _window, _stride, _limit, Exact, Threads, Json]) command.Add(option);
        }

        public EvaluationWindows Windows(ParseResult parse)
        {
            int window = parse.GetValue(_window);
            return new EvaluationWindows(window, parse.GetValue(_stride) ?? window) { Limit = parse.GetValue(_limit) };
        }
    }
}
