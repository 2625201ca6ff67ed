using System.Text.Json;

namespace Tandem.Models;

/// <summary>The keys of config.json about sliding windows. A layer's window is how many keys a position sees; 0 is all.</summary>
internal static class WindowKeys
{
    private const string Sliding = "sliding_attention";
    private const string Full = "full_attention";

    /// <summary>The window: 0 where it is null, <paramref name="silent"/> where it is absent.</summary>
    public static int ReadWindow(ConfigReader reader, int silent) =>
        reader.Int("sliding_window", 1, ModelConfig.MaxMaxPositions, reader.Has("sliding_window") ? 0 : silent);

    /// <summary>Qwen's switch: windows count only with <c>use_sliding_window</c>, from layer <c>max_window_layers</c> on.</summary>
    public static int[] ReadSwitched(ConfigReader reader, int layers)
    {
        int window = ReadWindow(reader, 4096), firstLayer = reader.Int("max_window_layers", 0, 1_000_000, 28);
        return ReadLayers(reader, layers, reader.Bool("use_sliding_window", false) ? window : 0, firstLayer);
    }

    /// <summary>Each layer's window: by <c>layer_types</c> where that is given, else on all layers from <paramref name="firstLayer"/> on.</summary>
    public static int[] ReadLayers(ConfigReader reader, int layers, int window, int firstLayer)
    {
        var windows = new int[layers];
        string[]? types = reader.Texts("layer_types", ModelConfig.MaxLayers);
        if (types is null)
        {
            for (int i = firstLayer; i < layers; i++) windows[i] = window;
            return windows;
        }

        if (types.Length != layers)
        {
            reader.Conflict($"layer_types has {types.Length} entries; accepted: {layers}, one for each layer of num_hidden_layers");
            return windows;
        }

        for (int i = 0; i < layers; i++)
        {
            if (types[i] is not (Sliding or Full))
                reader.Conflict($"layer_types[{i}]: {CheckpointException.Quote(types[i])}; accepted: {Full}, {Sliding}");
            else if (types[i] == Sliding && window == 0)
                reader.Conflict($"layer_types[{i}]: {Sliding}, but no window is in force (sliding_window, use_sliding_window)");
            else if (types[i] == Sliding)
                windows[i] = window;
        }

        return windows;
    }

    /// <summary>Writes the window.</summary>
    public static void WriteWindow(Utf8JsonWriter json, ModelConfig c)
    {
        int window = c.LayerWindows.Max();
        ModelConfig.WriteOptional(json, "sliding_window", window == 0 ? null : window);
    }

    /// <summary>Writes the window, Qwen's switch and each layer's type.</summary>
    public static void WriteSwitched(Utf8JsonWriter json, ModelConfig c)
    {
        WriteWindow(json, c);
        json.WriteBoolean("use_sliding_window", c.LayerWindows.Any(w => w > 0));
        json.WriteNumber("max_window_layers", c.LayerWindows.TakeWhile(w => w == 0).Count());
        WriteLayers(json, c);
    }

    /// <summary>Writes each layer's type.</summary>
    public static void WriteLayers(Utf8JsonWriter json, ModelConfig c)
    {
        json.WriteStartArray("layer_types");
        foreach (int window in c.LayerWindows) json.WriteStringValue(window > 0 ? Sliding : Full);
        json.WriteEndArray();
    }
}
