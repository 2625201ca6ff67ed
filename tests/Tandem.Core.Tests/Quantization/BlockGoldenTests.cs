using System.Runtime.InteropServices;
using Xunit;

namespace Tandem.Tests.Quantization;

/// <summary>Every type's blocks against what other implementations make of them, bit for bit.</summary>
public class BlockGoldenTests
{
    public static TheoryData<DType> Decoded => [.. QuantizationGoldens.Decoded];

    public static TheoryData<DType> Exact => [.. QuantizationGoldens.Exact];

    [Theory]
    [MemberData(nameof(Decoded))]
    public void BlocksDecodeToTheGoldenBits(DType type)
    {
        string file = "blocks/" + type.ToString();
        byte[] blocks = QuantizationGoldens.Bytes(file, "raw");
        float[] expected = QuantizationGoldens.Floats(file, "f32"), actual = new float[expected.Length];
        Blocks.Decode(type, blocks, actual);
        for (int i = 0; i < actual.Length; i++)
            Assert.True(BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i]), $"[{i}] is {actual[i]:r}, wanted {expected[i]:r}");
    }

    [Theory]
    [MemberData(nameof(Exact))]
    public void DefinedTypesEncodeToTheGoldenBytes(DType type)
    {
        byte[] expected = QuantizationGoldens.Bytes("quantize/" + type.ToString(), "raw"), actual = new byte[expected.Length];
        Blocks.Encode(type, QuantizationGoldens.Floats("quantize/input", "x"), [], actual);
        for (int i = 0; i < actual.Length; i++)
            Assert.True(expected[i] == actual[i], $"block {i / type.BlockBytes()}, byte {i % type.BlockBytes()} is {actual[i]}, wanted {expected[i]}");
    }

    [Fact]
    public void CodebooksAreThoseOfTheFormat()
    {
        (string Name, Codebook Book)[] books =
        [
            ("iq2_xxs", Codebook.IQ2_XXS), ("iq2_xs", Codebook.IQ2_XS), ("iq2_s", Codebook.IQ2_S), ("iq1_s", Codebook.IQ1),
            ("iq3_xxs", Codebook.IQ3_XXS), ("iq3_s", Codebook.IQ3_S),
        ];
        foreach ((string name, Codebook book) in books)
            Assert.Equal(MemoryMarshal.Cast<byte, sbyte>(QuantizationGoldens.Bytes("tables", name + "_grid")), book.Values);
        Assert.Equal(MemoryMarshal.Cast<byte, sbyte>(QuantizationGoldens.Bytes("tables", "kvalues_iq4nl")), UnevenLevels.Values);
        Assert.Equal(MemoryMarshal.Cast<byte, sbyte>(QuantizationGoldens.Bytes("tables", "kvalues_mxfp4_doubled")), Float4.Doubled);
        byte[] signs = QuantizationGoldens.Bytes("tables", "ksigns_iq2xs");
        Assert.Equal(signs, Enumerable.Range(0, 128).Select(i => (byte)IQ.Even(i)));
    }

    [Fact]
    public void ActivationTypesKeepTheirSums()
    {
        float[] values = [.. Enumerable.Range(0, 256).Select(i => MathF.Sin(i * 0.37f) * (1 + (i % 7)))], back = new float[256];
        byte[] small = new byte[DType.Q8_1.Bytes(256)], large = new byte[DType.Q8_K.Bytes(256)];
        Blocks.Encode(DType.Q8_1, values, [], small);
        Blocks.Decode(DType.Q8_1, small, back);
        for (int block = 0; block < 8; block++)
        {
            ReadOnlySpan<byte> bytes = small.AsSpan(36 * block, 36);
            int sum = 0;
            foreach (sbyte code in MemoryMarshal.Cast<byte, sbyte>(bytes[4..])) sum += code;
            Assert.Equal(sum * BlockVectors.Half(bytes, 0), BlockVectors.Half(bytes, 2), 0.01f);
        }

        Assert.All(values.Zip(back), p => Assert.Equal(p.First, p.Second, 7f / 254 + 1e-3f));
        Blocks.Encode(DType.Q8_K, values, [], large);
        Blocks.Decode(DType.Q8_K, large, back);
        Assert.All(values.Zip(back), p => Assert.Equal(p.First, p.Second, 7f / 254 + 1e-5f));
        for (int i = 0; i < 16; i++)
        {
            int sum = 0;
            foreach (sbyte code in MemoryMarshal.Cast<byte, sbyte>(large.AsSpan(4 + (16 * i), 16))) sum += code;
            Assert.Equal(sum, BitConverter.ToInt16(large, 260 + (2 * i)));
        }
    }
}
