using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Tandem.Tests.Quantization;

/// <summary>Blocks, codebooks and error bars that independent implementations made.</summary>
internal static class QuantizationGoldens
{
    /// <summary>The types that have golden blocks.</summary>
    public static IEnumerable<DType> Decoded => DTypes.All.Where(t => Blocks.Has(t) && t is not (DType.Q8_1 or DType.Q8_K));

    /// <summary>The types whose encoding is defined bit for bit.</summary>
    public static DType[] Exact =>
    [
        DType.F16, DType.BF16, DType.Q4_0, DType.Q4_1, DType.Q5_0, DType.Q5_1, DType.Q8_0, DType.TQ1_0, DType.TQ2_0, DType.MXFP4, DType.Q1_0, DType.Q2_0,
    ];

    /// <summary>The bytes of a tensor.</summary>
    public static byte[] Bytes(string file, string tensor)
    {
        byte[] data = Unpack(file + ".safetensors.gz");
        int header = (int)BitConverter.ToInt64(data);
        using JsonDocument json = JsonDocument.Parse(data.AsMemory(8, header));
        JsonElement range = json.RootElement.GetProperty(tensor).GetProperty("data_offsets");
        return data[(8 + header + range[0].GetInt32())..(8 + header + range[1].GetInt32())];
    }

    /// <summary>The values of an F32 tensor.</summary>
    public static float[] Floats(string file, string tensor) => MemoryMarshal.Cast<byte, float>(Bytes(file, tensor)).ToArray();

    /// <summary>The error bars.</summary>
    public static JsonElement Bars => JsonDocument.Parse(Unpack("bars.json.gz")).RootElement;

    private static byte[] Unpack(string file)
    {
        using var unpacked = new GZipStream(File.OpenRead(TestFiles.Golden("quantization/" + file)), CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        unpacked.CopyTo(bytes);
        return bytes.ToArray();
    }
}
