using System.Globalization;
using System.Text.Json;
using Tandem.Graph.Ops;
using Tandem.Training;

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
        context.Report.Case($"{folder.Name}/loss_scaler.json", checks =>
        {
            JsonElement golden = folder.Json("loss_scaler.json"), options = golden.GetProperty("options");
            var scaler = new LossScaler(new LossScalerOptions
            {
                InitialScale = options.GetProperty("init_scale").GetDouble(),
                GrowthFactor = options.GetProperty("growth_factor").GetDouble(),
                BackoffFactor = options.GetProperty("backoff_factor").GetDouble(),
                GrowthInterval = options.GetProperty("growth_interval").GetInt32(),
            });
            RunTrace(golden.GetProperty("trace"), scaler, context, checks);
        });
    }

    // AdamW with rate 0.1, betas 0.9 and 0.999, eps 1e-8, no decay, from zeros; the gradient reaches it scaled, as from a scaled loss.
    private static void RunTrace(JsonElement trace, LossScaler scaler, RunContext context, Checks checks)
    {
        using var runner = new OptimizerRunner(new AdamW(0.9, 0.999, 1e-8, 0), [trace[0].GetProperty("param_after").GetArrayLength()], context.Team);
        long steps = 0;
        foreach (JsonElement row in trace.EnumerateArray())
        {
            string t = $"of step {row.GetProperty("t").GetInt32()}";
            checks.Equal($"scale_used {t}", row.GetProperty("scale_used").GetDouble(), scaler.Scale);
            float[] gradient = [.. row.GetProperty("unscaled_grad").EnumerateArray().Select(g => (float)(Number(g) * scaler.Scale))];
            gradient.CopyTo(runner.Gradient);
            bool finite = runner.GradientIsFinite();
            if (finite) runner.Step(0.1, 1 / scaler.Scale, ++steps);
            scaler.Update(overflowed: !finite);
            checks.Equal($"scale {t}", row.GetProperty("scale_after").GetDouble(), scaler.Scale);
            checks.Equal($"growth_tracker {t}", row.GetProperty("growth_tracker_after").GetInt32(), scaler.State.GoodSteps);
            checks.Equal($"adam_step_count {t}", row.GetProperty("adam_step_count_after").GetInt64(), steps);
            float[] weights = [.. row.GetProperty("param_after").EnumerateArray().Select(p => (float)Number(p))];
            checks.MaxRelative($"param {t}", weights, runner.Weight, OpCase.LeastTolerance);
        }
    }

    private static double Number(JsonElement value) => value.ValueKind == JsonValueKind.Number ? value.GetDouble() : value.GetString() switch
    {
        "inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        _ => double.NaN,
    };

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
            checks.Same(name, Hex(format, name), [.. codes.Select(c => (uint)c.Bits)]);
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
        IEnumerable<BFloat16> rounded = Singles(format, "fp32_hex").Select((v, i) => BFloat16.FromSingleStochastic(v, (ushort)random[i]));
        checks.Same("bf16_hex", Hex(format, "bf16_hex"), [.. rounded.Select(v => (uint)v.Bits)]);
    }

    private static uint[] Decoded(JsonElement format)
    {
        float[] values = [.. format.GetProperty("decode_all_256_codes").EnumerateArray().Select(v => (float)Number(v))];
        return Bits(values, canonicalNaN: true);
    }

    private static uint[] Bits(float[] values, bool canonicalNaN = false) =>
        [.. values.Select(v => BitConverter.SingleToUInt32Bits(canonicalNaN && float.IsNaN(v) ? float.NaN : v))];

    private static float[] Singles(JsonElement format, string name) => [.. Hex(format, name).Select(BitConverter.UInt32BitsToSingle)];

    private static uint[] Hex(JsonElement format, string name) =>
        [.. format.GetProperty(name).EnumerateArray().Select(h => uint.Parse(h.GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
}
