using System.Text;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Writes GGUF files of metadata alone.</summary>
internal sealed class GgufBuilder
{
    private readonly List<(string Key, Action<BinaryWriter> Value)> _keys = [];

    public GgufBuilder Add(string key, string value) => Add(key, w => Write(w, 8, () => Write(w, value)));

    public GgufBuilder Add(string key, bool value) => Add(key, w => Write(w, 7, () => w.Write(value)));

    public GgufBuilder Add(string key, uint value) => Add(key, w => Write(w, 4, () => w.Write(value)));

    public GgufBuilder Add(string key, string[] values) => Add(key, w => Write(w, 9, () => Write(w, 8, values.Length, i => Write(w, values[i]))));

    public GgufBuilder Add(string key, float[] values) => Add(key, w => Write(w, 9, () => Write(w, 6, values.Length, i => w.Write(values[i]))));

    public GgufBuilder Add(string key, int[] values) => Add(key, w => Write(w, 9, () => Write(w, 5, values.Length, i => w.Write(values[i]))));

    public GgufBuilder Add(string key, byte[] values) => Add(key, w => Write(w, 9, () => Write(w, 0, values.Length, i => w.Write(values[i]))));

    /// <summary>Leaves a key out.</summary>
    public GgufBuilder Without(string key)
    {
        _keys.RemoveAll(k => k.Key == "tokenizer.ggml." + key);
        return this;
    }

    public byte[] Build()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write(0ul);
        writer.Write((ulong)_keys.Count);
        foreach ((string key, Action<BinaryWriter> value) in _keys)
        {
            Write(writer, key);
            value(writer);
        }

        return stream.ToArray();
    }

    private static void Write(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void Write(BinaryWriter writer, uint type, Action value)
    {
        writer.Write(type);
        value();
    }

    private static void Write(BinaryWriter writer, uint type, int count, Action<int> element)
    {
        writer.Write(type);
        writer.Write((ulong)count);
        for (int i = 0; i < count; i++) element(i);
    }

    // A key that is there already is replaced.
    private GgufBuilder Add(string key, Action<BinaryWriter> value)
    {
        Without(key);
        _keys.Add(("tokenizer.ggml." + key, value));
        return this;
    }
}
