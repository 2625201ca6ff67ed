using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Tandem.Cpu.Tests;

/// <summary>A file of reference tensors under <c>goldens/</c> with the deviation of an f32 run that stands beside it in <c>index.json</c>.</summary>
internal sealed class Goldens
{
    private readonly string _name;
    private readonly byte[] _data;
    private readonly int _start;
    private readonly JsonElement _header;
    private readonly JsonElement _index;

    private Goldens(string name, byte[] data, JsonElement index)
    {
        _name = name;
        _data = data;
        int length = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(data));
        _start = 8 + length;
        _header = JsonDocument.Parse(Encoding.UTF8.GetString(data, 8, length)).RootElement;
        _index = index;
    }

    /// <summary>The case's entry of <c>index.json</c>.</summary>
    public JsonElement Index => _index;

    /// <summary>Loads a case, for example <c>ops/rmsnorm</c>.</summary>
    public static Goldens Load(string name)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "goldens", name);
        using var index = JsonDocument.Parse(File.ReadAllText(Path.Combine(Path.GetDirectoryName(path)!, "index.json")));
        index.RootElement.TryGetProperty(Path.GetFileName(name), out var entry);
        return new Goldens(name, File.ReadAllBytes(path + ".safetensors"), entry.ValueKind == JsonValueKind.Undefined ? default : entry.Clone());
    }

    /// <summary>Whether the file has a tensor of that name.</summary>
    public bool Has(string tensor) => _header.TryGetProperty(tensor, out _);

    /// <summary>Sizes of a tensor.</summary>
    public int[] Shape(string tensor) => [.. _header.GetProperty(tensor).GetProperty("shape").EnumerateArray().Select(d => d.GetInt32())];

    /// <summary>Values of an F32 tensor.</summary>
    public float[] Floats(string tensor) => MemoryMarshal.Cast<byte, float>(Bytes(tensor, "F32")).ToArray();

    /// <summary>Values of an I32 tensor.</summary>
    public int[] Ints(string tensor) => MemoryMarshal.Cast<byte, int>(Bytes(tensor, "I32")).ToArray();

    /// <summary>A number among the case's attributes.</summary>
    public double Attribute(string attribute, double otherwise) =>
        _index.GetProperty("attrs").TryGetProperty(attribute, out var value) ? value.GetDouble() : otherwise;

    /// <summary>Asserts that the largest deviation, relative to the largest value, is within ten times that of the reference's own f32 run (at least 2e-6).</summary>
    public void Check(string tensor, ReadOnlySpan<float> actual, string? deviationOf = null)
    {
        double stored = _index.GetProperty("fp32_max_rel").TryGetProperty(deviationOf ?? tensor, out var value) ? value.GetDouble() : 0;
        Check(tensor, Floats(tensor), actual, Math.Max(10 * stored, 2e-6));
    }

    /// <summary>Asserts max |a - b| &lt;= tolerance * max |b|.</summary>
    public void Check(string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        double worst = 0, largest = 0;
        int at = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double d = Math.Abs((double)actual[i] - expected[i]);
            if (!(d <= worst))
            {
                worst = d;
                at = i;
            }

            largest = Math.Max(largest, Math.Abs(expected[i]));
        }

        Assert.True(
            worst <= tolerance * largest, $"{_name} {what}[{at}]: {(actual.IsEmpty ? 0 : actual[at])}, wanted {(expected.IsEmpty ? 0 : expected[at])}: {worst / largest:g3} of the maximum, allowed {tolerance:g3}");
    }

    private ReadOnlySpan<byte> Bytes(string tensor, string dtype)
    {
        var entry = _header.GetProperty(tensor);
        Assert.Equal(dtype, entry.GetProperty("dtype").GetString());
        var offsets = entry.GetProperty("data_offsets");
        return _data.AsSpan(_start + offsets[0].GetInt32(), offsets[1].GetInt32() - offsets[0].GetInt32());
    }
}
