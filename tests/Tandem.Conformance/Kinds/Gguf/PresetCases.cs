using System.Globalization;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>Recipes of types: which tensor of which layer gets which type. One case a recipe and shape of model; those that only an importance allows are not given as tables.</summary>
internal static class PresetCases
{
    private const string FileName = "presets.json";
    private const int Width = 4096;

    /// <summary>Whether a folder holds such cases.</summary>
    public static bool Has(CaseFolder folder) => folder.Has(FileName);

    /// <summary>Runs the cases of a folder.</summary>
    public static void Run(CaseFolder folder, RunContext context) => context.Report.List($"{folder.Name}/{FileName}", () =>
    {
        foreach (JsonProperty shape in folder.Json(FileName).EnumerateObject())
            foreach (JsonProperty recipe in shape.Value.EnumerateObject().Where(r => !r.Value.TryGetProperty("error", out _)))
                context.Report.Case($"{folder.Name}/{FileName}: {recipe.Name}, {shape.Name}", checks => Compare(checks, Traits(shape.Name), recipe));
    });

    private static void Compare(Checks checks, ModelTraits traits, JsonProperty golden)
    {
        QuantizationRecipe recipe = QuantizationRecipe.Get(golden.Name);
        checks.Equal("general.file_type", golden.Value.GetProperty("general.file_type").GetUInt32(), recipe.FileType ?? uint.MaxValue);
        foreach (JsonProperty tensor in golden.Value.GetProperty("tensors").EnumerateObject())
        {
            bool isInBlock = !tensor.Name.StartsWith("output", StringComparison.Ordinal) && !tensor.Name.StartsWith("token_embd", StringComparison.Ordinal);
            bool isVector = tensor.Name.Contains("norm", StringComparison.Ordinal);
            foreach (JsonProperty type in tensor.Value.EnumerateObject())
            {
                int[] layers = type.Value.ValueKind == JsonValueKind.String ? [.. Enumerable.Range(0, isInBlock ? traits.NumLayers : 1)] : [.. type.Value.EnumerateArray().Select(l => l.GetInt32())];
                foreach (int layer in layers)
                {
                    string name = isInBlock ? string.Create(CultureInfo.InvariantCulture, $"blk.{layer}.{tensor.Name}") : tensor.Name;
                    DType actual = recipe.TypeOf(name, isVector ? new Shape(Width) : new Shape(Width, Width), traits) ?? DType.F32;
                    checks.Equal(name, type.Name, actual.Name().ToUpperInvariant());
                }
            }
        }
    }

    // "llama, 32 layers, 8 heads, 2 kv heads, untied output": numbers are before their words.
    private static ModelTraits Traits(string text)
    {
        int Number(string word)
        {
            string part = text.Split(", ").FirstOrDefault(p => p.Split(' ') is [_, .. var rest] && string.Join(' ', rest) == word) ?? "0";
            return int.Parse(part.Split(' ')[0], CultureInfo.InvariantCulture);
        }

        return new ModelTraits(Number("layers"), Number("heads"), Number("kv heads"), Number("experts"), text.Contains("tied embedding", StringComparison.Ordinal));
    }
}
