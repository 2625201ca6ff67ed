using System.Globalization;
using System.Text;
using System.Text.Json;
using Spectre.Console;

namespace Tandem.Cli.Bench;

/// <summary>A figure beside the limit it is measured against.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Figure">The figure, the median of the repetitions.</param>
/// <param name="Unit">Its unit.</param>
internal sealed record BenchRow(string Name, double Figure, string Unit)
{
    /// <summary>Half the range over the repetitions, as a share of the figure.</summary>
    public double? Spread { get; init; }

    /// <summary>The limit, in the figure's unit.</summary>
    public double? Limit { get; init; }

    /// <summary>What the limit is.</summary>
    public string? LimitName { get; init; }

    /// <summary>Figure / limit; where both were measured, the median of the repetitions' ratios.</summary>
    public double? Ratio { get; init; }
}

/// <summary>How a report is printed.</summary>
internal enum ReportFormat
{
    Text,
    Json,
    Markdown,
}

/// <summary>Rows of one run, with the machine and the command that made them.</summary>
internal sealed class BenchReport(string command, int threads)
{
    private static readonly string[] Headers = ["what", "figure", "unit", "+-", "limit", "limit is", "ratio"];

    /// <summary>The rows, in order of print.</summary>
    public List<BenchRow> Rows { get; } = [];

    /// <summary>What a reader must know: what is missing and why.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>A table that is printed below, for example a profile: name, column names, cells.</summary>
    public List<(string Name, string[] Columns, List<string[]> Cells)> Details { get; } = [];

    /// <summary>Prints everything to standard output.</summary>
    public void Print(ReportFormat format)
    {
        if (format == ReportFormat.Json) PrintJson();
        else if (format == ReportFormat.Markdown) PrintMarkdown();
        else PrintText();
    }

    /// <summary>A number with three or four significant digits.</summary>
    public static string Number(double value)
    {
        string format = Math.Abs(value) switch { >= 1000 => "N0", >= 100 => "F0", >= 10 => "F1", >= 1 => "F2", _ => "0.###" };
        return value.ToString(format, CultureInfo.InvariantCulture);
    }

    private static string[] Cells(BenchRow row) =>
    [
        row.Name,
        Number(row.Figure),
        row.Unit,
        row.Spread is { } spread ? (spread * 100).ToString("F0", CultureInfo.InvariantCulture) + " %" : "",
        row.Limit is { } limit ? Number(limit) : "",
        row.LimitName ?? "",
        row.Ratio is { } ratio ? ratio.ToString("F2", CultureInfo.InvariantCulture) : "",
    ];

    private string Heading => $"{command}; {Machine.Describe(threads)}";

    private void PrintText()
    {
        Console.WriteLine(Heading);
        PrintTable(Headers, Rows.Select(Cells));
        foreach ((string name, string[] columns, List<string[]> cells) in Details)
        {
            Console.WriteLine(name);
            PrintTable(columns, cells);
        }

        foreach (string note in Notes) Console.WriteLine("note: " + note);
    }

    private static void PrintTable(string[] columns, IEnumerable<string[]> rows)
    {
        var table = new Table { Border = TableBorder.Rounded };
        foreach (string column in columns) table.AddColumn(new TableColumn(Markup.Escape(column)) { NoWrap = true });
        foreach (string[] cells in rows) table.AddRow([.. cells.Select(Markup.Escape)]);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });

        // A table cut to the width of a pipe would be worthless.
        if (Console.IsOutputRedirected) console.Profile.Width = 200;
        console.Write(table);
    }

    private void PrintMarkdown()
    {
        Console.WriteLine($"`{command}`, {Machine.Describe(threads)}:\n");
        PrintMarkdown(Headers, Rows.Select(Cells));
        foreach ((string name, string[] columns, List<string[]> cells) in Details)
        {
            Console.WriteLine($"\n{name}:\n");
            PrintMarkdown(columns, cells);
        }

        foreach (string note in Notes) Console.WriteLine($"\n{note}");
    }

    private static void PrintMarkdown(string[] columns, IEnumerable<string[]> rows)
    {
        Console.WriteLine($"| {string.Join(" | ", columns)} |");
        Console.WriteLine($"|{string.Concat(columns.Select(_ => " --- |"))}");
        foreach (string[] cells in rows) Console.WriteLine($"| {string.Join(" | ", cells)} |");
    }

    private void PrintJson()
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("command", command);
            Machine.Write(json, threads);
            json.WriteStartArray("rows");
            foreach (BenchRow row in Rows)
            {
                json.WriteStartObject();
                json.WriteString("name", row.Name);
                json.WriteNumber("figure", row.Figure);
                json.WriteString("unit", row.Unit);
                if (row.Spread is { } spread) json.WriteNumber("spread", spread);
                if (row.Limit is { } limit) json.WriteNumber("limit", limit);
                if (row.LimitName != null) json.WriteString("limit_name", row.LimitName);
                if (row.Ratio is { } ratio) json.WriteNumber("ratio", ratio);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteDetails(json);
            json.WriteStartArray("notes");
            foreach (string note in Notes) json.WriteStringValue(note);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        Console.WriteLine(Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length));
    }

    private void WriteDetails(Utf8JsonWriter json)
    {
        json.WriteStartArray("details");
        foreach ((string name, string[] columns, List<string[]> cells) in Details)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteStartArray("rows");
            foreach (string[] row in cells)
            {
                json.WriteStartObject();
                for (int i = 0; i < columns.Length; i++) json.WriteString(columns[i], row[i]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
