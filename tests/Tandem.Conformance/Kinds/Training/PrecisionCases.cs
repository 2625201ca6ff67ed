using System.Globalization;
using System.Text.Json;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>Number formats bit for bit, through the conversions over spans that weights and activations take.</summary>
internal static class PrecisionCases
{
    /// <summary>Runs the formats of <c>conversions.json</c>.</summary>
    public static void RunConversions(CaseFolder folder, RunContext context)
    {
        foreach (JsonProperty format in folder.Json("conversions.json").EnumerateObject())
        {
            context.Report.Case($"{folder.Name}/conversions.json {format.Name}", checks =>
            {
                Action<JsonElement, Checks> run = format.Name switch
                {
                    "bf16" => BFloat16Cases,
                    "fp16" => HalfCases,
                    "e4m3fn" => Float8E4M3Cases,
                    "e5m2" => Float8E5M2Cases,
                    "bf16_stochastic" => StochasticCases,
                    _ => throw new UnsupportedException($"number format {format.Name}"),
                };
                run(format.Value, checks);
            });
        }
    }

    /// <summary>Runs the script of <c>loss_scaler.json</c>.</summary>
    public static void RunLossScaler(CaseFolder folder, RunContext context)
    {
        context.Report.Case($"{folder.Name}/loss_scaler.json", _ =>
        {
            folder.Claim("loss_scaler.json");
            throw new UnsupportedException("loss scaler");
        });
    }

    private static void BFloat16Cases(JsonElement format, Checks checks)
    {
        float[] values = Singles(format, "fp32_hex");
        var narrow = new BFloat16[values.Length];
        Conversions.ToBFloat16(values, narrow);
        checks.Same("bf16_hex", Hex(format, "bf16_hex"), [.. narrow.Select(v => (uint)v.Bits)]);
        var back = new float[values.Length];
        Conversions.ToSingle([.. Hex(format, "bf16_hex").Select(b => BFloat16.FromBits((ushort)b))], back);
        checks.Same("back_to_fp32_hex", Hex(format, "back_to_fp32_hex"), Bits(back));
        float[] nans = Singles(format, "nan_fp32_hex");
        var narrowNans = new BFloat16[nans.Length];
        Conversions.ToBFloat16(nans, narrowNans);
        checks.Same("nan_fp32_hex", [.. nans.Select(_ => true)], [.. narrowNans.Select(v => float.IsNaN(v.ToSingle()))]);
    }

    private static void HalfCases(JsonElement format, Checks checks)
    {
        float[] values = Singles(format, "fp32_hex");
        var narrow = new Half[values.Length];
        Conversions.ToHalf(values, narrow);
        checks.Same("fp16_hex", Hex(format, "fp16_hex"), [.. narrow.Select(v => (uint)BitConverter.HalfToUInt16Bits(v))]);
        var back = new float[values.Length];
        Conversions.ToSingle([.. Hex(format, "fp16_hex").Select(b => BitConverter.UInt16BitsToHalf((ushort)b))], back);
        checks.Same("back_to_fp32_hex", Hex(format, "back_to_fp32_hex"), Bits(back));
        float[] nans = Singles(format, "nan_fp32_hex");
        var narrowNans = new Half[nans.Length];
        Conversions.ToHalf(nans, narrowNans);
        checks.Same("nan_fp32_hex", [.. nans.Select(_ => true)], [.. narrowNans.Select(Half.IsNaN)]);
    }

    private static void Float8E4M3Cases(JsonElement format, Checks checks)
    {
        float[] values = Singles(format, "fp32_hex");
        var codes = new Float8E4M3[values.Length];
        foreach (bool saturate in (bool[])[true, false])
        {
            Conversions.ToFloat8E4M3(values, codes, saturate);
            string name = saturate ? "saturating_hex" : "non_saturating_hex";
            checks.Same(name, WithoutSignOfNaN(Hex(format, name), code => float.IsNaN(Float8E4M3.FromBits(code).ToSingle())), WithoutSignOfNaN([.. codes.Select(c => (uint)c.Bits)], code => float.IsNaN(Float8E4M3.FromBits(code).ToSingle())));
        }

        var decoded = new float[256];
        Conversions.ToSingle([.. Enumerable.Range(0, 256).Select(c => Float8E4M3.FromBits((byte)c))], decoded);
        checks.Same("decode_all_256_codes", Decoded(format), Bits(decoded, canonicalNaN: true));
        checks.Equal("max", format.GetProperty("max").GetSingle(), Float8E4M3.MaxValue);
    }

    private static void Float8E5M2Cases(JsonElement format, Checks checks)
    {
        float[] values = Singles(format, "fp32_hex");
        var codes = new Float8E5M2[values.Length];
        foreach (bool saturate in (bool[])[true, false])
        {
            Conversions.ToFloat8E5M2(values, codes, saturate);
            string name = saturate ? "saturating_hex" : "non_saturating_hex";
            checks.Same(name, Hex(format, name), [.. codes.Select(c => (uint)c.Bits)]);
        }

        var decoded = new float[256];
        Conversions.ToSingle([.. Enumerable.Range(0, 256).Select(c => Float8E5M2.FromBits((byte)c))], decoded);
        checks.Same("decode_all_256_codes", Decoded(format), Bits(decoded, canonicalNaN: true));
        checks.Equal("max", format.GetProperty("max").GetSingle(), Float8E5M2.MaxValue);
    }

    private static void StochasticCases(JsonElement format, Checks checks)
    {
        uint[] random = Hex(format, "random_low16_hex");
        checks.Same("bf16_hex", Hex(format, "bf16_hex"), [.. Singles(format, "fp32_hex").Select((v, i) => (uint)BFloat16.FromSingleStochastic(v, (ushort)random[i]).Bits)]);
    }

    // A value beyond the largest becomes NaN; its sign is not part of the format.
    private static uint[] WithoutSignOfNaN(uint[] codes, Func<byte, bool> isNaN) => [.. codes.Select(c => isNaN((byte)c) ? c & 0x7F : c)];

    private static uint[] Decoded(JsonElement format)
    {
        float[] values = [.. format.GetProperty("decode_all_256_codes").EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Number ? v.GetSingle() : v.GetString() switch
        {
            "inf" => float.PositiveInfinity,
            "-inf" => float.NegativeInfinity,
            _ => float.NaN,
        })];
        return Bits(values, canonicalNaN: true);
    }

    private static uint[] Bits(float[] values, bool canonicalNaN = false) =>
        [.. values.Select(v => BitConverter.SingleToUInt32Bits(canonicalNaN && float.IsNaN(v) ? float.NaN : v))];

    private static float[] Singles(JsonElement format, string name) => [.. Hex(format, name).Select(BitConverter.UInt32BitsToSingle)];

    private static uint[] Hex(JsonElement format, string name) =>
        [.. format.GetProperty(name).EnumerateArray().Select(h => uint.Parse(h.GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
}
