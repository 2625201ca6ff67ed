using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>What is in a model's files, without loading it.</summary>
internal static class InspectCommand
{
    private const int ShownElements = 6, ShownCharacters = 100;

    public static Command Create()
    {
        var path = new Argument<string>("path") { Description = "GGUF file, safetensors file or Hugging Face directory" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object" };
        var all = new Option<bool>("--all") { Description = "Print long arrays and texts whole" };
        var command = new Command("inspect", """
            Show a model's metadata and tensors, with sizes by type. Nothing is loaded.

            Examples:
              tandem inspect model.gguf
              tandem inspect my-model --json
            """)
        {
            path, json, all,
        };
        command.SetAction(parse =>
        {
            Contents contents = Read(parse.GetValue(path)!, parse.GetValue(all));
            if (parse.GetValue(json)) PrintJson(contents);
            else Print(contents);
            return 0;
        });
        return command;
    }

    private static Contents Read(string path, bool all)
    {
        if (Directory.Exists(path)) return ReadFolder(path, all);
        if (!GgufModel.IsGguf(path))
        {
            using SafetensorsFile safetensors = SafetensorsFile.Open(path);
            return new Contents("safetensors", [.. safetensors.Metadata.Select(m => (m.Key, Text(m.Value, all)))], [.. safetensors.Tensors.Select(Facts)]);
        }

        using GgufFile file = GgufFile.Open(path);
        return new Contents(
            string.Create(CultureInfo.InvariantCulture, $"GGUF version {file.Version}"),
            [.. file.Metadata.Select(m => (m.Key, m.Value.ToString(all ? int.MaxValue : ShownElements, all ? int.MaxValue : ShownCharacters)))],
            [.. file.Tensors.Select(t => new TensorFacts(t.Name, t.Type.Name(), Shape(t.Dims.Reverse()), t.Dims.Aggregate(1L, (a, d) => a * d), t.Bytes))]);
    }

    private static Contents ReadFolder(string path, bool all)
    {
        using HfDirectory directory = HfDirectory.Open(path);
        using JsonDocument config = JsonDocument.Parse(directory.ReadConfig().ToJson());
        return new Contents("Hugging Face directory", [.. config.RootElement.EnumerateObject().Select(p => (p.Name, Text(p.Value.ToString(), all)))], [.. directory.Tensors.All.Select(Facts)]);
    }

    private static TensorFacts Facts(StoredTensor t) => new(t.Name, t.Type.Name().ToLowerInvariant(), Shape(t.Shape.Dims.ToArray()), t.Shape.Count, t.Bytes);

    private static string Shape(IEnumerable<long> dims) => "[" + string.Join(", ", dims) + "]";

    private static string Text(string text, bool all) => all || text.Length <= ShownCharacters ? text : text[..ShownCharacters] + "...";

    private static void Print(Contents contents)
    {
        Console.WriteLine(contents.Format);
        Console.WriteLine();
        foreach ((string key, string value) in contents.Metadata) Console.WriteLine($"{key,-44} {value.ReplaceLineEndings("\\n")}");
        Console.WriteLine();
        int width = contents.Tensors.Select(t => t.Name.Length).DefaultIfEmpty().Max() + 2;
        foreach (TensorFacts t in contents.Tensors)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{t.Name.PadRight(width)}{t.Type,-9}{t.Shape,-22}{t.Bytes,16:N0}"));
        Console.WriteLine();
        ModelFacts.PrintTotals(contents.Tensors);
    }

    private static void PrintJson(Contents contents)
    {
        using Stream output = Console.OpenStandardOutput();
        using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("format", contents.Format);
            json.WriteStartObject("metadata");
            foreach ((string key, string value) in contents.Metadata) json.WriteString(key, value);
            json.WriteEndObject();
            json.WriteStartArray("tensors");
            foreach (TensorFacts t in contents.Tensors)
            {
                json.WriteStartObject();
                json.WriteString("name", t.Name);
                json.WriteString("type", t.Type);
                json.WriteString("shape", t.Shape);
                json.WriteNumber("bytes", t.Bytes);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("elements", contents.Tensors.Sum(t => t.Elements));
            json.WriteNumber("bytes", contents.Tensors.Sum(t => t.Bytes));
            json.WriteNumber("bits_per_weight", ModelFacts.BitsPerWeight(contents.Tensors));
            json.WriteEndObject();
        }

        output.Write("\n"u8);
    }

    private sealed record Contents(string Format, IReadOnlyList<(string Key, string Value)> Metadata, IReadOnlyList<TensorFacts> Tensors);
}
