using Xunit;

namespace Tandem.Models.Tests;

/// <summary>Weights that are NaN or infinite: refused when they are loaded, with the tensor, the count and the first place.</summary>
public sealed unsafe class DamagedWeightsTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public static TheoryData<DType> BlockTypes => [.. DTypes.All.Where(t => t.IsBlock() && Blocks.Has(t))];

    public void Dispose() => _files.Dispose();

    [Theory]
    [MemberData(nameof(BlockTypes))]
    public void Scales_that_make_values_no_numbers_are_found_in_every_type(DType type)
    {
        // Each byte of a block is set to all ones: where that makes a value NaN, or infinite by its scale, the block is found, and in no other case.
        int size = type.BlockBytes();
        var blocks = new byte[5 * size];
        Assert.Equal(0, BlockScales.CountNotFinite(type, blocks, out int none));
        Assert.Equal(-1, none);
        int found = 0;
        for (int at = 0; at < size - 1; at++)
        {
            for (int block = 0; block < 5; block++) blocks.AsSpan(block * size, size).Fill(0x11);
            var plain = new float[type.BlockElements()];
            Blocks.Decode(type, blocks.AsSpan(0, size), plain);
            Assert.All(plain, v => Assert.True(float.IsFinite(v)));
            blocks[(3 * size) + at] = blocks[(3 * size) + at + 1] = 0xFF;
            Blocks.Decode(type, blocks.AsSpan(3 * size, size), plain);
            int count = BlockScales.CountNotFinite(type, blocks, out int first);
            Assert.Equal((count, count == 0 ? -1 : 3), (count == 0 ? 0 : 1, first));

            // The two whose finite scales reach beyond what f32 holds.
            if (type is not (DType.MXFP4 or DType.Q8_K)) Assert.Equal(plain.Any(v => !float.IsFinite(v)), count == 1);
            found += count;
        }

        // One field of two bytes is hit by three pairs of bytes at most, but not every pair sets the exponent; NVFP4's scales have no NaN that counts, and IQ1_M's is spread out.
        if (type is DType.NVFP4 or DType.IQ1_M) Assert.Equal(0, found);
        else Assert.InRange(found, 1, 6);
    }

    [Fact]
    public void The_scale_of_iq1_m_is_spread_over_four_words()
    {
        var blocks = new byte[2 * DType.IQ1_M.BlockBytes()];
        Span<byte> second = blocks.AsSpan(DType.IQ1_M.BlockBytes());
        (second[53], second[55]) = (0xC0, 0x70);
        Assert.Equal(1, BlockScales.CountNotFinite(DType.IQ1_M, blocks, out int first));
        Assert.Equal(1, first);
        var values = new float[256];
        Blocks.Decode(DType.IQ1_M, second, values);
        Assert.Contains(values, v => !float.IsFinite(v));
        (second[53], second[55]) = (0xB0, 0x70);
        Assert.Equal(0, BlockScales.CountNotFinite(DType.IQ1_M, blocks, out _));
    }

    [Theory]
    [InlineData("Q4_0", "blk.1.ffn_up.weight", 2, "tensor 'model.layers.1.mlp.up_proj.weight' in '", "2 of 32 blocks of q4_0 have a scale that is NaN or infinite, the first is block 3")]
    [InlineData("Q8_0", "token_embd.weight", 1, "tensor 'model.embed_tokens.weight' in '", "1 of 260 blocks of q8_0 have a scale that is NaN or infinite, the first is block 3")]
    [InlineData("F16", "blk.0.attn_v.weight", 1, "tensor 'model.layers.0.self_attn.v_proj.weight' in '", "1 of 512 elements (F16) are NaN or infinite, the first is element 3")]
    [InlineData("BF16", "blk.0.attn_v.weight", 1, "tensor 'model.layers.0.self_attn.v_proj.weight' in '", "1 of 512 elements (BF16) are NaN or infinite, the first is element 3")]
    [InlineData("Q4_0", "output_norm.weight", 1, "tensor 'model.norm.weight' in '", "1 of 32 elements (F32) are NaN or infinite, the first is element 3")]
    public void A_damaged_file_is_refused_by_tensor_count_and_place(string type, string tensor, int count, params string[] expected)
    {
        SyntheticGguf.Write(_files.At("m.gguf"), GgufSamples.Config("llama", 32), QuantizationRecipe.Get(type), 1, cancel: TestContext.Current.CancellationToken);
        Model.Load(_files.At("m.gguf"), weightType: null).Dispose();
        byte[] bytes = File.ReadAllBytes(_files.At("m.gguf"));
        using (GgufFile file = GgufFile.Open(_files.At("m.gguf")))
        {
            GgufTensor found = file.Find(tensor)!;
            int size = found.Type.BlockBytes();
            for (int i = 0; i < count; i++)
            {
                int at = (int)found.Offset + ((3 + (5 * i)) * size);
                bytes.AsSpan(at, size == 4 ? 4 : 2).Fill(0xFF);
            }
        }

        File.WriteAllBytes(_files.At("m.gguf"), bytes);
        foreach (DType? asType in (DType?[])[null, DType.F32])
        {
            string message = Assert.Throws<TandemException>(() => Model.Load(_files.At("m.gguf"), weightType: asType)).Message;
            Assert.Contains(expected[0] + _files.At("m.gguf"), message, StringComparison.Ordinal);
            if (asType == null || !type.StartsWith('Q') || tensor == "output_norm.weight") Assert.Contains(expected[1], message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Infinite_elements_of_a_directory_are_refused()
    {
        using var model = new Model(GgufSamples.Config("llama", 32));
        model.Initialize(1);
        float[] norm = model.Get("model.layers.1.input_layernorm.weight");
        norm[7] = float.NegativeInfinity;
        model.Set("model.layers.1.input_layernorm.weight", norm);
        model.Save(_files.At("m"));
        string message = Assert.Throws<TandemException>(() => Model.Load(_files.At("m"))).Message;
        Assert.Contains("'model.layers.1.input_layernorm.weight' in '", message, StringComparison.Ordinal);
        Assert.Contains("1 of 32 elements (F32) are NaN or infinite, the first is element 7", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tokenizer.ggml.bos_token_id", "is 260 (UInt32); accepted: a whole number from 0 to 259")]
    [InlineData("tokenizer.ggml.eos_token_id", "is 260 (UInt32); accepted: a whole number from 0 to 259")]
    [InlineData("tokenizer.ggml.eot_token_id", "is 260 (UInt32); accepted: a whole number from 0 to 259")]
    [InlineData("tokenizer.ggml.tokens", "has 261 tokens, and token_embd.weight 260 rows")]
    public void Token_ids_beyond_the_embedding_are_refused_with_both_figures(string key, string expected)
    {
        SyntheticGguf.Write(_files.At("m.gguf"), GgufSamples.Config("llama", 32), QuantizationRecipe.Get("Q4_0"), 1, cancel: TestContext.Current.CancellationToken);
        using (GgufFile file = GgufFile.Open(_files.At("m.gguf")))
        {
            GgufValue value = key.EndsWith("tokens", StringComparison.Ordinal) ? GgufValue.Of([.. file.Strings(key), "more"]) : GgufValue.Of(260u);
            GgufWriter.Write(_files.At("n.gguf"), [.. file.Metadata.Where(m => m.Key != key), new(key, value)], [.. file.Tensors.Select(file.Source)], cancel: TestContext.Current.CancellationToken);
        }

        string message = Assert.ThrowsAny<TandemException>(() => Model.Load(_files.At("n.gguf"), weightType: null)).Message;
        Assert.Contains($"{key} {expected}", message, StringComparison.Ordinal);
    }
}
