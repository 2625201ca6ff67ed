using System.Text;

namespace Tandem.Models.Tests;

/// <summary>Small valid GGUF files of many shapes and types, for damage.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Parts">The bytes of its files: one, or the parts of a model in several.</param>
internal sealed record GgufSample(string Name, IReadOnlyList<byte[]> Parts)
{
    /// <summary>Where the numbers of each file's header lie: lengths, counts, types, dimensions, offsets, values.</summary>
    public IReadOnlyList<IReadOnlyList<GgufField>> Fields { get; } = [.. Parts.Select(GgufField.Find)];

    /// <summary>File name of a part.</summary>
    public string FileName(int part) => Parts.Count == 1 ? "sample.gguf" : $"sample-{part + 1:D5}-of-{Parts.Count:D5}.gguf";
}

/// <summary>A number in a header.</summary>
/// <param name="Offset">Where it begins.</param>
/// <param name="Size">Its bytes.</param>
internal readonly record struct GgufField(int Offset, int Size)
{
    /// <summary>All numbers of a valid file's header, and last a field of size 0 where it ends.</summary>
    public static IReadOnlyList<GgufField> Find(byte[] file)
    {
        var fields = new List<GgufField>();
        int at = 4;
        _ = Number(4);
        ulong tensors = Number(8), keys = Number(8);
        for (ulong i = 0; i < keys; i++)
        {
            Text();
            Value((uint)Number(4));
        }

        for (ulong i = 0; i < tensors; i++)
        {
            Text();
            for (ulong rank = Number(4); rank > 0; rank--) _ = Number(8);
            _ = Number(4);
            _ = Number(8);
        }

        fields.Add(new GgufField(at, 0));
        return fields;

        ulong Number(int size)
        {
            fields.Add(new GgufField(at, size));
            ulong value = 0;
            for (int i = size - 1; i >= 0; i--) value = (value << 8) | file[at + i];
            at += size;
            return value;
        }

        void Text()
        {
            int length = (int)Number(8);
            at += length;
        }

        void Value(uint type)
        {
            if (type == (uint)GgufValueType.String)
            {
                Text();
            }
            else if (type == (uint)GgufValueType.Array)
            {
                uint element = (uint)Number(4);
                for (ulong n = Number(8); n > 0; n--) Value(element);
            }
            else
            {
                _ = Number((GgufValueType)type switch
                {
                    GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
                    GgufValueType.UInt16 or GgufValueType.Int16 => 2,
                    GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
                    _ => 4,
                });
            }
        }
    }
}

/// <summary>Makes the samples.</summary>
internal static class GgufSamples
{
    private const string Keys = "tokenizer.ggml.";

    /// <summary>All of them; files are made in a folder and read back.</summary>
    public static IReadOnlyList<GgufSample> Make(string folder)
    {
        string path = Path.Combine(folder, "made.gguf");
        var samples = new List<GgufSample>();
        foreach (string type in (string[])["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "MXFP4"])
        {
            SyntheticGguf.Write(path, Config("llama", 32), QuantizationRecipe.Get(type), 1);
            samples.Add(new GgufSample($"llama {type}", [File.ReadAllBytes(path)]));
        }

        foreach (string type in (string[])["Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_S", "Q6_K", "IQ4_XS"])
        {
            SyntheticGguf.Write(path, Config("llama", 256), QuantizationRecipe.Get(type), 1);
            samples.Add(new GgufSample($"llama {type}", [File.ReadAllBytes(path)]));
        }

        foreach (string family in (string[])["gpt2", "qwen2", "qwen3", "mistral"])
        {
            SyntheticGguf.Write(path, Config(family, 32), QuantizationRecipe.Get("Q8_0"), 1);
            samples.Add(new GgufSample(family, [File.ReadAllBytes(path)]));
        }

        foreach (RopeKind kind in (RopeKind[])[RopeKind.Linear, RopeKind.Yarn])
        {
            var rope = new RopeConfig { Kind = kind, Factor = 2, MaxPositions = 64, OriginalMaxPositions = 32 };
            SyntheticGguf.Write(path, Config("llama", 32) with { Rope = rope }, QuantizationRecipe.Get("F16"), 1);
            samples.Add(new GgufSample($"rope {kind}", [File.ReadAllBytes(path)]));
        }

        samples.Add(Written("sentencepiece", path, [new("general.architecture", GgufValue.Of("llama")), .. Pieces("llama")], []));
        samples.Add(Written("t5", path, [new("general.architecture", GgufValue.Of("t5")), .. Pieces("t5")], []));
        samples.Add(Written("bert", path, [new("general.architecture", GgufValue.Of("bert")), .. WordPieces()], []));
        samples.Add(Written("tensor types", path, [new("general.architecture", GgufValue.Of("llama"))], [.. DTypes.All.Where(t => GgufTensorTypes.NumberOf(t) != null).Select(t => Tensor(t.Name(), t))]));
        samples.Add(new GgufSample("parts", [.. Enumerable.Range(0, 3).Select(i => Part(path, i, 3))]));
        Dictionary<string, byte[]> goldens = CheckpointFiles.Malformed("gguf");
        samples.AddRange(goldens.Where(g => g.Key is "ok_base.gguf" or "ok_all_types.gguf" or "ok_align64.gguf").Select(g => new GgufSample(g.Key, [g.Value])));
        return samples;
    }

    /// <summary>A small model of a family.</summary>
    public static ModelConfig Config(string family, int hidden) => new()
    {
        ModelType = family,
        VocabSize = 260,
        HiddenSize = hidden,
        IntermediateSize = hidden,
        NumLayers = family == "llama" && hidden == 32 ? 2 : 1,
        NumHeads = 4,
        NumKvHeads = family == "gpt2" ? 4 : 2,
        HeadDim = hidden / 4,
        MaxPositions = 64,
        NormEps = 1e-5,
        Activation = family == "gpt2" ? HiddenActivation.GeluTanh : HiddenActivation.Silu,
        TieWordEmbeddings = true,
        QkvBias = family is "gpt2" or "qwen2",
        OutputBias = family == "gpt2",
        MlpBias = family == "gpt2",
        LayerWindows = [.. Enumerable.Repeat(family == "mistral" ? 7 : 0, family == "llama" && hidden == 32 ? 2 : 1)],
        Rope = family == "gpt2" ? null : new RopeConfig { MaxPositions = 64, OriginalMaxPositions = 64 },
    };

    private static GgufSample Written(string name, string path, IReadOnlyList<KeyValuePair<string, GgufValue>> metadata, IReadOnlyList<TensorSource> tensors)
    {
        GgufWriter.Write(path, metadata, tensors);
        return new GgufSample(name, [File.ReadAllBytes(path)]);
    }

    private static byte[] Part(string path, int number, int count)
    {
        List<KeyValuePair<string, GgufValue>> metadata =
        [
            new("split.no", GgufValue.Of((uint)number)), new("split.count", GgufValue.Of((uint)count)), new("split.tensors.count", GgufValue.Of((uint)count)),
        ];
        if (number == 0) metadata.Add(new("general.architecture", GgufValue.Of("llama")));
        GgufWriter.Write(path, metadata, [Tensor($"t{number}", DType.F32)]);
        return File.ReadAllBytes(path);
    }

    private static TensorSource Tensor(string name, DType type) => new(name, type, new Shape(2, type.BlockElements()), (_, d) => d.Clear());

    // SentencePiece's kinds: a token for what is unknown, two for control, the bytes, some letters and words.
    private static List<KeyValuePair<string, GgufValue>> Pieces(string model)
    {
        List<(string Text, float Score, int Type)> pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3)];
        for (int b = 0; b < 256; b++) pieces.Add(($"<0x{b:X2}>", 0, 6));
        foreach (string text in (string[])["\u2581", "a", "b", "c", "\u2581a", "ab", "\u2581ab", "<mark>"]) pieces.Add((text, -pieces.Count, text == "<mark>" ? 4 : 1));
        return
        [
            new(Keys + "model", GgufValue.Of(model)),
            new(Keys + "tokens", GgufValue.Of(pieces.Select(p => p.Text))),
            new(Keys + "scores", GgufValue.Of(pieces.Select(p => p.Score))),
            new(Keys + "token_type", GgufValue.Of(pieces.Select(p => p.Type))),
            new(Keys + "unknown_token_id", GgufValue.Of(0u)),
            new(Keys + "bos_token_id", GgufValue.Of(1u)),
            new(Keys + "eos_token_id", GgufValue.Of(2u)),
            new(Keys + "add_bos_token", GgufValue.Of(true)),
            new(Keys + "add_space_prefix", GgufValue.Of(true)),
            new("tokenizer.chat_template", GgufValue.Of("{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}")),
        ];
    }

    private static List<KeyValuePair<string, GgufValue>> WordPieces() =>
    [
        new(Keys + "model", GgufValue.Of("bert")),
        new(Keys + "tokens", GgufValue.Of((string[])["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581a", "\u2581ab", "b", "c", .. Encoding.ASCII.GetString([.. Enumerable.Range('d', 20).Select(c => (byte)c)]).Select(c => c.ToString())])),
        new(Keys + "token_type", GgufValue.Of(Enumerable.Range(0, 28).Select(i => i < 4 ? (i == 1 ? 2 : 3) : 1))),
        new(Keys + "unknown_token_id", GgufValue.Of(1u)),
        new(Keys + "bos_token_id", GgufValue.Of(2u)),
        new(Keys + "seperator_token_id", GgufValue.Of(3u)),
        new(Keys + "padding_token_id", GgufValue.Of(0u)),
    ];
}
