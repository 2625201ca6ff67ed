using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Tandem.Training;

/// <summary>
/// <c>report.html</c>: curves, evaluations, samples, config and machine of a run on one page that needs nothing else: no script, no font, no picture from elsewhere.
/// It is made from the run's files, so it covers what came before a stop too.
/// </summary>
public static class HtmlReport
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "report.html";

    private const int MostSamples = 40;

    private const string Style = """
        :root { color-scheme: light dark; --text: #1c2024; --muted: #667078; --line: #d8dde2; --page: #ffffff; --a: #1f6feb; --b: #d1495b; --c: #2a8f5b; }
        @media (prefers-color-scheme: dark) { :root { --text: #e6e9ec; --muted: #98a2ab; --line: #363d44; --page: #14181c; --a: #6ea8fe; --b: #ff8fa0; --c: #6fd39d; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 780px; margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
        figure { margin: 1rem 0; } figcaption { color: var(--muted); } svg { width: 100%; height: auto; }
        svg text { font: 11px system-ui, sans-serif; fill: var(--muted); }
        .grid { stroke: var(--line); stroke-width: 1; }
        polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
        polyline.s0 { stroke: var(--a); } polyline.s1 { stroke: var(--b); } polyline.s2 { stroke: var(--c); }
        circle.s0, text.s0 { fill: var(--a); } circle.s1, text.s1 { fill: var(--b); } circle.s2, text.s2 { fill: var(--c); }
        table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
        pre { background: color-mix(in srgb, var(--line) 40%, transparent); padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere; }
        .prompt { color: var(--muted); }
        """;

    /// <summary>Writes the report of a run into its folder.</summary>
    /// <param name="run">The run.</param>
    /// <param name="peakFlops">The machine's matrix peak; 0 if not known.</param>
    public static void Write(TrainingRun run, double peakFlops)
    {
        string folder = run.Config.OutputDir;
        JsonElement[] steps = [.. MetricsLog.ReadLines(Path.Combine(folder, MetricsLog.MetricsName))];
        JsonElement[] samples = [.. MetricsLog.ReadLines(Path.Combine(folder, MetricsLog.SamplesName))];
        AtomicFile.WriteAllText(Path.Combine(folder, FileName), Build(Path.GetFileName(Path.GetFullPath(folder)), run.Config.Json, Facts(run, peakFlops, steps), steps, samples));
    }

    /// <summary>The page.</summary>
    internal static string Build(string title, string config, IReadOnlyList<(string What, string Value)> facts, IReadOnlyList<JsonElement> steps, IReadOnlyList<JsonElement> samples)
    {
        var html = new StringBuilder();
        html.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
            .Append($"<title>{Encode(title)}</title><style>\n{Style}\n</style></head><body>\n<h1>{Encode(title)}</h1>\n");
        Table(html, facts.Select(f => (string[])[f.What, f.Value]));

        (double, double)[] evaluations = Points(steps, "eval_loss");
        html.Append("<h2>Curves</h2>\n");
        html.Append(SvgChart.Draw("loss, nats a token", new ChartSeries("training", Points(steps, "loss")), new ChartSeries("evaluation", evaluations, Marked: true)));
        html.Append(SvgChart.Draw("learning rate", new ChartSeries("learning rate", Points(steps, "lr"))));
        html.Append(SvgChart.Draw("norm of the gradient before clipping", new ChartSeries("gradient", Points(steps, "grad_norm"))));
        html.Append(SvgChart.Draw("tokens a second", new ChartSeries("tokens a second", Points(steps, "tokens_per_second"))));
        if (evaluations.Length > 0)
        {
            html.Append("<h2>Evaluations</h2>\n");
            JsonElement[] evaluated = [.. steps.Where(s => s.TryGetProperty("eval_loss", out _))];
            Table(html, evaluated.Select(s => (string[])[Show(s, "step", "N0"), Show(s, "eval_loss", "F4"), Show(s, "eval_bits_per_byte", "F4")]), "step", "nats a token", "bits a byte");
        }

        if (samples.Count > 0) html.Append("<h2>Samples</h2>\n");
        foreach (JsonElement sample in samples.TakeLast(MostSamples))
            html.Append(CultureInfo.InvariantCulture, $"<p>step {Show(sample, "step", "N0")}</p><pre><span class=\"prompt\">{Encode(sample.GetProperty("prompt").GetString()!)}</span>{Encode(sample.GetProperty("text").GetString()!)}</pre>\n");
        return html.Append($"<h2>Config</h2>\n<pre>{Encode(config)}</pre>\n</body></html>\n").ToString();
    }

    private static List<(string What, string Value)> Facts(TrainingRun run, double peakFlops, JsonElement[] steps)
    {
        var facts = new List<(string What, string Value)>
        {
            ("steps", string.Create(CultureInfo.InvariantCulture, $"{run.Trainer.Step:N0} of {run.Config.MaxSteps:N0}")),
            ("tokens trained on", run.State.Tokens.ToString("N0", CultureInfo.InvariantCulture)),
            ("parameters", run.Trainer.Model.NumParameters.ToString("N0", CultureInfo.InvariantCulture)),
            ("planned memory", string.Create(CultureInfo.InvariantCulture, $"{run.Trainer.Plan.TotalBytes / 1048576.0:F0} MiB")),
        };
        if (steps.Length > 0) facts.Add(("last loss", Show(steps[^1], "loss", "F4")));
        if (run.State.BestLoss is { } best) facts.Add(("best evaluation", string.Create(CultureInfo.InvariantCulture, $"{best:F4} nats a token at step {run.State.BestStep:N0}")));
        facts.Add(("machine", $"{Environment.ProcessorCount} cores, {run.Team.Workers} threads, {RuntimeInformation.ProcessArchitecture}, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}"));
        if (peakFlops > 0) facts.Add(("matrix peak", string.Create(CultureInfo.InvariantCulture, $"{peakFlops / 1e9:F0} GFLOP/s, a product in f32 by this engine")));
        return facts;
    }

    private static (double X, double Y)[] Points(IEnumerable<JsonElement> lines, string key) =>
        [.. lines.Where(l => l.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number).Select(l => (l.GetProperty("step").GetDouble(), l.GetProperty(key).GetDouble()))];

    private static string Show(JsonElement line, string key, string format) =>
        line.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble().ToString(format, CultureInfo.InvariantCulture) : "";

    private static void Table(StringBuilder html, IEnumerable<string[]> rows, params string[] heads)
    {
        html.Append("<table>");
        if (heads.Length > 0) html.Append("<tr>").AppendJoin("", heads.Select(h => $"<th>{Encode(h)}</th>")).Append("</tr>");
        foreach (string[] row in rows) html.Append("<tr>").AppendJoin("", row.Select(c => $"<td>{Encode(c)}</td>")).Append("</tr>\n");
        html.Append("</table>\n");
    }

    private static string Encode(string text) => WebUtility.HtmlEncode(text);
}
