using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>Blocks of every type: sizes and numbers of the types, and the values of blocks bit for bit.</summary>
internal static class BlockCases
{
    private const string Index = "index.json", Extension = ".safetensors";

    /// <summary>Runs the cases of a folder: its index, and a case a file.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        if (folder.Has(Index)) context.Report.Case($"{folder.Name}/{Index}", checks => CheckSizes(folder.Json(Index), checks));
        foreach (string file in folder.Files.Where(f => f.EndsWith(Extension, StringComparison.Ordinal)))
        {
            context.Report.Case($"{folder.Name}/{file}", checks =>
            {
                GoldenTensors golden = folder.Tensors(file);
                float[] expected = golden.Floats("f32"), actual = new float[expected.Length];
                Blocks.Decode(TypeOf(file[..^Extension.Length]), golden.Codes("raw"), actual);
                checks.Same("bits", [.. expected.Select(BitConverter.SingleToInt32Bits)], [.. actual.Select(BitConverter.SingleToInt32Bits)]);
            });
        }
    }

    /// <summary>The type of that name.</summary>
    /// <exception cref="UnsupportedException">There is none.</exception>
    public static DType TypeOf(string name) => DTypes.Find(name) is { } type && Blocks.Has(type) ? type : throw new UnsupportedException($"blocks of type {name}");

    private static void CheckSizes(JsonElement index, Checks checks)
    {
        foreach (JsonProperty entry in index.EnumerateObject())
        {
            DType type = TypeOf(entry.Name);
            checks.Equal($"number of {entry.Name}", (uint?)entry.Value.GetProperty("ggml_type").GetUInt32(), GgufTensorTypes.NumberOf(type));
            checks.Equal($"elements of {entry.Name}", entry.Value.GetProperty("block_elements").GetInt32(), type.BlockElements());
            checks.Equal($"bytes of {entry.Name}", entry.Value.GetProperty("block_bytes").GetInt32(), type.BlockBytes());
        }
    }
}
