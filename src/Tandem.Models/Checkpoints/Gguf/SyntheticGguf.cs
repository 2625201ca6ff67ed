namespace Tandem.Models;

/// <summary>
/// GGUF files of any shape with random weights, for benchmarks: other programs load them too. Every block of a tensor is one of a pool that was quantized once, drawn by
/// Philox, so that a file is made as fast as it is written.
/// </summary>
public static class SyntheticGguf
{
    private const int PoolBlocks = 1 << 12, PartBlocks = 1 << 12;
    private const float Deviation = 0.02f;
    private const int Bytes = 256, Pairs = Bytes * Bytes;
    private const string EndOfText = "<|endoftext|>";

    /// <summary>The least vocabulary: the bytes and a token that ends a text.</summary>
    public const int MinVocabulary = Bytes + 1;

    /// <summary>The most: bytes, all their pairs and triples.</summary>
    public const int MaxVocabulary = Bytes + Pairs + (Pairs * Bytes);

    /// <summary>Tensors that a file will have.</summary>
    public static IReadOnlyList<(string Name, Shape Shape, DType Type)> Tensors(ModelConfig config, QuantizationRecipe recipe)
    {
        GgufArchitecture architecture = GgufArchitecture.For(config);
        var traits = new ModelTraits(config.NumLayers, config.NumHeads, config.NumKvHeads, 0, config.TieWordEmbeddings);
        return [.. ModelGraphs.Evaluate(config).Parameters.Select(p =>
        {
            string name = architecture.GgufName(p.Name);
            Shape shape = Model.LogicalShape(p.Type);
            if (architecture.IsTransposed(name)) shape = new Shape(shape[1], shape[0]);
            return (name, shape, recipe.TypeOf(name, shape, traits) ?? DType.F32);
        })];
    }

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="config">The model.</param>
    /// <param name="recipe">The types.</param>
    /// <param name="seed">Key of the random numbers.</param>
    /// <param name="progress">Told after each piece; null tells nobody.</param>
    /// <param name="cancel">Ends the writing.</param>
    /// <exception cref="TandemException">The vocabulary is too small or too large, or the file cannot be written.</exception>
    public static void Write(string path, ModelConfig config, QuantizationRecipe recipe, ulong seed, Action<WriteProgress>? progress = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(recipe);
        if (config.VocabSize is < MinVocabulary or > MaxVocabulary)
            throw new TandemException($"a vocabulary of {config.VocabSize} tokens; accepted: {MinVocabulary} to {MaxVocabulary}");
        List<KeyValuePair<string, GgufValue>> metadata = GgufMetadata.Of(config, Path.GetFileNameWithoutExtension(path));
        if (recipe.FileType is { } number) metadata.Add(new(GgufMetadata.FileTypeKey, GgufValue.Of(number)));
        metadata.Add(new(GgufMetadata.QuantizationVersionKey, GgufValue.Of(2u)));
        AddVocabulary(metadata, config.VocabSize);
        var pools = new Dictionary<DType, byte[]>();
        TensorSource[] sources = [.. Tensors(config, recipe).Select(t => Source(t.Name, t.Shape, t.Type, seed, pools))];
        GgufWriter.Write(path, metadata, sources, progress, cancel);
    }

    private static TensorSource Source(string name, Shape shape, DType type, ulong seed, Dictionary<DType, byte[]> pools)
    {
        if (name.Contains("norm.weight", StringComparison.Ordinal))
            return new TensorSource(name, DType.F32, shape, (_, destination) => System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(destination).Fill(1));
        if (!pools.TryGetValue(type, out byte[]? pool)) pools.Add(type, pool = Pool(type, seed));
        PhiloxStream stream = Philox.Stream(seed, name);
        int size = type.BlockBytes();
        return new TensorSource(name, type, shape, (first, destination) =>
        {
            int blocks = destination.Length / size;
            long firstBlock = first / type.BlockElements();
            byte[] piece = new byte[destination.Length];
            Parallel.For(0, (blocks + PartBlocks - 1) / PartBlocks, part =>
            {
                int from = part * PartBlocks, count = Math.Min(PartBlocks, blocks - from);
                Span<uint> words = stackalloc uint[PartBlocks];
                stream.FillUInt32(words[..count], (ulong)(firstBlock + from));
                for (int i = 0; i < count; i++) pool.AsSpan((int)(words[i] % PoolBlocks) * size, size).CopyTo(piece.AsSpan((from + i) * size));
            });
            piece.CopyTo(destination);
        });
    }

    private static byte[] Pool(DType type, ulong seed)
    {
        var values = new float[PoolBlocks * type.BlockElements()];
        Philox.Stream(seed, "pool").FillNormal(values, 0, 0, Deviation);
        var pool = new byte[type.Bytes(values.Length)];
        float[] importance = type.IsBlock() && Blocks.NeedsImportance(type) ? [.. Enumerable.Repeat(1f, type.BlockElements())] : [];
        Blocks.Encode(type, values, importance, pool);
        return pool;
    }

    // Byte-level BPE: the bytes, then pairs of them, then pairs with a third, each with the merge that gives it, and last the end of a text.
    private static void AddVocabulary(List<KeyValuePair<string, GgufValue>> metadata, int size)
    {
        ReadOnlySpan<char> bytes = ByteAlphabet.Characters;
        var tokens = new string[size];
        var merges = new List<string>();
        for (int b = 0; b < Bytes; b++) tokens[b] = bytes[b].ToString();
        for (int id = Bytes; id < size - 1; id++)
        {
            int made = id - Bytes;
            (string left, string right) = made < Pairs ? (tokens[made / Bytes], tokens[made % Bytes]) : (tokens[Bytes + ((made - Pairs) / Bytes)], tokens[(made - Pairs) % Bytes]);
            tokens[id] = left + right;
            merges.Add($"{left} {right}");
        }

        tokens[size - 1] = EndOfText;
        metadata.Add(new(GgufTokens.Model, GgufValue.Of("gpt2")));
        metadata.Add(new(GgufTokens.Pre, GgufValue.Of("gpt-2")));
        metadata.Add(new(GgufTokens.Tokens, GgufValue.Of(tokens)));
        metadata.Add(new(GgufTokens.Types, GgufValue.Of(Enumerable.Range(0, size).Select(id => id == size - 1 ? 3 : 1))));
        metadata.Add(new(GgufTokens.Merges, GgufValue.Of(merges)));
        metadata.Add(new(GgufTokens.Bos, GgufValue.Of((uint)(size - 1))));
        metadata.Add(new(GgufTokens.Eos, GgufValue.Of((uint)(size - 1))));
        metadata.Add(new(GgufTokens.AddBos, GgufValue.Of(false)));
    }
}
