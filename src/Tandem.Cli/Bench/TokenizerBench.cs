using System.Diagnostics;
using System.Globalization;
using System.Text;
using Tandem.Models;

namespace Tandem.Cli.Bench;

/// <summary>Encoding and decoding texts: rates beside the goals, allocation, and the time of one unbroken word by its length.</summary>
internal static class TokenizerBench
{
    private const double EncodeGoal = 15, DecodeGoal = 10, Mega = 1e6;
    private const int BatchTexts = 64;

    public static void Run(BenchReport report, string path, IReadOnlyList<(string Name, string Text)> texts, int hostile, int threads, int repetitions, CancellationToken cancel)
    {
        Tokenizer tokenizer = TokenizerFiles.Load(path);
        string name = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path))) ?? path;
        foreach ((string kind, string text) in texts) Text(report, tokenizer, $"{name}, {kind}", text, threads, repetitions, cancel);
        Words(report, tokenizer, name, repetitions, cancel);
        foreach (char c in hostile > 0 ? " a\0" : "") Hostile(report, tokenizer, name, c, hostile);
    }

    private static void Text(BenchReport report, Tokenizer tokenizer, string name, string text, int threads, int repetitions, CancellationToken cancel)
    {
        int[] ids = tokenizer.Encode(text);
        double megabytes = Encoding.UTF8.GetByteCount(text) / Mega, tokens = ids.Length / Mega;
        int part = (text.Length / BatchTexts) + 1;
        string[] parts = [.. Enumerable.Range(0, BatchTexts).Select(i => text[Math.Min(i * part, text.Length)..Math.Min((i + 1) * part, text.Length)])];
        var decoder = new TokenDecoder(tokenizer);
        BenchCase encode = new($"{name}: encode", () => tokenizer.Encode(text)), decode = new($"{name}: decode", () => tokenizer.Decode(ids));
        BenchCase stream = new($"{name}: decode one by one", () => Stream(decoder, ids)), batch = new($"{name}: encode {BatchTexts} texts", () => tokenizer.EncodeBatch(parts, threads: threads));
        BenchCase.RunInterleaved([encode, decode, stream, batch], repetitions, cancel);
        report.Rows.Add(Row(encode, megabytes, "MB/s", EncodeGoal));
        report.Rows.Add(new BenchRow(encode.Name, tokens / encode.Median, "M tokens/s") { Spread = encode.Spread });
        report.Rows.Add(Row(batch, megabytes, "MB/s", null));
        report.Rows.Add(Row(decode, tokens, "M tokens/s", DecodeGoal));
        report.Rows.Add(Row(stream, tokens, "M tokens/s", DecodeGoal));
        long before = GC.GetAllocatedBytesForCurrentThread();
        int[] copy = [.. ids];
        long result = GC.GetAllocatedBytesForCurrentThread() - before;
        before = GC.GetAllocatedBytesForCurrentThread();
        tokenizer.Encode(text);
        report.Rows.Add(new BenchRow($"{name}: allocated beyond the result", (GC.GetAllocatedBytesForCurrentThread() - before - result) / (double)copy.Length, "bytes/token"));
    }

    // Letters that are no word of any language, without a break.
    private static void Words(BenchReport report, Tokenizer tokenizer, string name, int repetitions, CancellationToken cancel)
    {
        const int Shortest = 1 << 16, Longest = 1 << 20;
        var random = new Random(1);
        string letters = string.Create(Longest, random, (text, r) =>
        {
            for (int i = 0; i < text.Length; i++) text[i] = (char)('a' + r.Next(26));
        });
        var lengths = new List<int>();
        for (int length = Shortest; length <= Longest; length *= 2) lengths.Add(length);
        BenchCase[] cases = [.. lengths.Select(n => new BenchCase($"{name}: a word of {n / 1024} KiB", () => tokenizer.Encode(letters[..n])))];
        BenchCase.RunInterleaved(cases, repetitions, cancel);
        foreach ((BenchCase c, int length) in cases.Zip(lengths)) report.Rows.Add(Row(c, length / Mega, "MB/s", null));
    }

    private static void Hostile(BenchReport report, Tokenizer tokenizer, string name, char c, int count)
    {
        string text = new(c, count);
        long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        int tokens = tokenizer.Encode(text).Length;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        string what = string.Create(CultureInfo.InvariantCulture, $"{name}: {count:N0} times U+{(int)c:X4}, {tokens:N0} tokens");
        report.Rows.Add(new BenchRow(what, seconds, "s"));
        report.Rows.Add(new BenchRow(what + ", allocated", (GC.GetAllocatedBytesForCurrentThread() - before) / Mega, "MB"));
        report.Rows.Add(new BenchRow(what + ", peak memory of the process so far", Process.GetCurrentProcess().PeakWorkingSet64 / Mega, "MB"));
    }

    private static void Stream(TokenDecoder decoder, int[] ids)
    {
        foreach (int id in ids) decoder.AppendSpan(id);
        decoder.Flush();
    }

    private static BenchRow Row(BenchCase c, double work, string unit, double? goal) => new(c.Name, work / c.Median, unit)
    {
        Spread = c.Spread,
        Limit = goal,
        LimitName = goal == null ? null : "goal",
        Ratio = work / c.Median / goal,
    };
}
