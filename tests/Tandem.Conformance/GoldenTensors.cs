using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Tandem.Conformance;

/// <summary>The tensors of a golden file. A reader of its own, so that a mistake of the engine's reader cannot hide in both sides of a comparison.</summary>
internal sealed class GoldenTensors
{
    private readonly string _place;
    private readonly byte[] _data;
    private readonly long _start;
    private readonly Dictionary<string, JsonElement> _header;

    public GoldenTensors(string place, byte[] data)
    {
        _place = place;
        _data = data;
        ulong length = data.Length >= 8 ? BinaryPrimitives.ReadUInt64LittleEndian(data) : ulong.MaxValue;
        if (length > (ulong)data.Length - 8) throw new TandemException($"{place}: no safetensors file");
        _start = 8 + (long)length;
        using JsonDocument header = JsonDocument.Parse(Encoding.UTF8.GetString(data, 8, (int)length));
        IEnumerable<JsonProperty> tensors = header.RootElement.EnumerateObject().Where(p => p.Name != "__metadata__");
        _header = tensors.ToDictionary(p => p.Name, p => p.Value.Clone(), StringComparer.Ordinal);
    }

    /// <summary>The names, in order.</summary>
    public IEnumerable<string> Names => _header.Keys.Order(StringComparer.Ordinal);

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Has(string name) => _header.ContainsKey(name);

    /// <summary>Sizes of a tensor.</summary>
    public int[] Shape(string name) => [.. Entry(name).GetProperty("shape").EnumerateArray().Select(d => d.GetInt32())];

    /// <summary>Values of an F32 tensor, row-major.</summary>
    public float[] Floats(string name) => MemoryMarshal.Cast<byte, float>(Bytes(name, "F32")).ToArray();

    /// <summary>Values of an I32 tensor, row-major.</summary>
    public int[] Ints(string name) => MemoryMarshal.Cast<byte, int>(Bytes(name, "I32")).ToArray();

    /// <summary>The bytes of a U8 tensor.</summary>
    public byte[] Codes(string name) => Bytes(name, "U8").ToArray();

    /// <summary>Values of an I8 tensor, row-major.</summary>
    public sbyte[] SignedBytes(string name) => MemoryMarshal.Cast<byte, sbyte>(Bytes(name, "I8")).ToArray();

    private JsonElement Entry(string name) =>
        _header.TryGetValue(name, out JsonElement entry) ? entry : throw new TandemException($"{_place} has no tensor '{name}'");

    private ReadOnlySpan<byte> Bytes(string name, string wanted)
    {
        JsonElement entry = Entry(name), offsets = entry.GetProperty("data_offsets");
        if (entry.GetProperty("dtype").GetString() is var dtype && dtype != wanted) throw new TandemException($"{_place}: '{name}' is {dtype}, wanted {wanted}");
        long begin = offsets[0].GetInt64(), end = offsets[1].GetInt64();
        if (begin < 0 || end < begin || _start + end > _data.Length) throw new TandemException($"{_place}: '{name}' lies beyond the end of the file");
        return _data.AsSpan((int)(_start + begin), (int)(end - begin));
    }
}
