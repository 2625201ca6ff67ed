using System.Diagnostics;
using System.Globalization;
using System.Text;
using Tandem.Cli.Bench;
using Tandem.Peers;

// Encoding beside Microsoft.ML.Tokenizers: same vocabulary, same texts, one thread, in turn.
// dotnet run -c Release --project bench/Tandem.Peers -- VOCABULARY.gguf... [--text FILE]... [--bytes N] [--repetitions N]
var vocabularies = new List<string>();
var files = new List<string>();
int bytes = 2_000_000, repetitions = 5;
for (int i = 0; i < args.Length; i++)
{
    if (args[i] == "--text") files.Add(args[++i]);
    else if (args[i] == "--bytes") bytes = int.Parse(args[++i], CultureInfo.InvariantCulture);
    else if (args[i] == "--repetitions") repetitions = int.Parse(args[++i], CultureInfo.InvariantCulture);
    else vocabularies.Add(args[i]);
}

List<(string Name, string Text)> texts = [.. BenchTexts.Kinds.Select(k => (k, BenchTexts.Make(k, bytes))), .. files.Select(f => (Path.GetFileName(f), File.ReadAllText(f)))];
Console.WriteLine("| vocabulary | text | tokens | Tandem, MB/s | BpeTokenizer, MB/s | TiktokenTokenizer, MB/s | ratio to the faster one |");
Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
foreach (string path in vocabularies)
{
    var vocabulary = new Vocabulary(path);
    Tandem.Models.Tokenizer tandem = vocabulary.ForTandem();
    (string Name, Microsoft.ML.Tokenizers.Tokenizer Tokenizer)[] peers = [("BpeTokenizer", vocabulary.ForBpeTokenizer()), ("TiktokenTokenizer", vocabulary.ForTiktoken())];
    foreach ((string name, string text) in texts)
    {
        double megabytes = Encoding.UTF8.GetByteCount(text) / 1e6;
        int[] ids = tandem.Encode(text);
        bool[] equal = [.. peers.Select(p => p.Tokenizer.EncodeToIds(text, considerPreTokenization: true, considerNormalization: false).SequenceEqual(ids))];
        Action[] runs = [() => tandem.Encode(text), .. peers.Select(p => (Action)(() => p.Tokenizer.EncodeToIds(text, considerPreTokenization: true, considerNormalization: false)))];
        double[][] rates = [.. runs.Select(_ => new double[repetitions])];
        foreach (Action run in runs) Rate(run);
        for (int r = 0; r < repetitions; r++)
            for (int i = 0; i < runs.Length; i++) rates[i][r] = megabytes * Rate(runs[i]);
        double[] ratios = [.. Enumerable.Range(0, repetitions).Select(r => rates[0][r] / peers.Select((_, i) => rates[i + 1][r]).Max())];
        string[] cells = [Path.GetFileName(path), name, ids.Length.ToString("N0", CultureInfo.InvariantCulture), Number(Median(rates[0])), .. peers.Select((_, i) => Number(Median(rates[i + 1])) + (equal[i] ? "" : " (other ids)")), Number(Median(ratios))];
        Console.WriteLine($"| {string.Join(" | ", cells)} |");
    }
}

return 0;

// Runs a second, over at least a tenth of one.
static double Rate(Action run)
{
    const double Seconds = 0.1;
    long start = Stopwatch.GetTimestamp();
    int count = 0;
    do
    {
        run();
        count++;
    }
    while (Stopwatch.GetElapsedTime(start).TotalSeconds < Seconds);
    return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
}

static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

static string Number(double value) => value.ToString(value >= 100 ? "F0" : "F1", CultureInfo.InvariantCulture);
