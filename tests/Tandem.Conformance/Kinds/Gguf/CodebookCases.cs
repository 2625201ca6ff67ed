namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>Codebooks: each entry is put into a block by its number and must come out as its values.</summary>
internal static class CodebookCases
{
    private const string Tables = "tables.safetensors";

    /// <summary>Runs a case for each table.</summary>
    public static void Run(CaseFolder folder, RunContext context) => context.Report.List($"{folder.Name}/{Tables}", () =>
    {
        GoldenTensors tables = folder.Tensors(Tables);
        foreach (string name in tables.Names) context.Report.Case($"{folder.Name}/{Tables} {name}", checks => Check(name, tables, checks));
    });

    private static void Check(string name, GoldenTensors tables, Checks checks)
    {
        switch (name)
        {
            case "ksigns_iq2xs":
                checks.Same(name, tables.Codes(name), [.. Enumerable.Range(0, 128).Select(Signs)]);
                break;
            case "kvalues_iq4nl":
                checks.Same(name, Floats(tables, name), [.. Enumerable.Range(0, 16).Select(i => One(DType.IQ4_NL, 1, (2, i))[0])]);
                break;
            case "kvalues_mxfp4_doubled":
                // Exponent 128 is a factor of 1 for doubled values.
                checks.Same(name, Floats(tables, name), [.. Enumerable.Range(0, 16).Select(i => Decode(DType.MXFP4, (0, 128), (1, i))[0])]);
                break;
            case "iq2_xxs_grid": Points(name, tables, checks, i => One(DType.IQ2_XXS, 8, (2, i))); break;
            case "iq2_xs_grid": Points(name, tables, checks, i => One(DType.IQ2_XS, 8, (2, i & 255), (3, i >> 8))); break;
            case "iq2_s_grid": Points(name, tables, checks, i => One(DType.IQ2_S, 8, (2, i & 255), (66, i >> 8))); break;
            case "iq3_xxs_grid": Points(name, tables, checks, i => One(DType.IQ3_XXS, 4, (2, i))); break;
            case "iq3_s_grid": Points(name, tables, checks, i => One(DType.IQ3_S, 1, (2, i & 255), (66, i >> 8))); break;
            case "iq1_s_grid": Points(name, tables, checks, i => [.. One(DType.IQ1_S, 1, (2, i & 255), (34, i >> 8)).Select(v => v - 0.125f)]); break;
            default: throw new UnsupportedException($"codebook {name}");
        }
    }

    private static void Points(string name, GoldenTensors tables, Checks checks, Func<int, float[]> block)
    {
        int[] shape = tables.Shape(name);
        checks.Same(name, Floats(tables, name), [.. Enumerable.Range(0, shape[0]).SelectMany(i => block(i)[..shape[1]])]);
    }

    private static float[] Floats(GoldenTensors tables, string name) => [.. tables.SignedBytes(name).Select(v => (float)v)];

    // The signs of the first eight values of an IQ2_XXS block whose first seven stored bits are given.
    private static byte Signs(int seven)
    {
        float[] values = One(DType.IQ2_XXS, 8, (6, seven));
        return (byte)Enumerable.Range(0, 8).Where(i => values[i] < 0).Sum(i => 1 << i);
    }

    // A block that begins with a binary16 scale and is 0 but for some bytes.
    private static float[] One(DType type, float scale, params (int At, int Value)[] bytes)
    {
        ushort half = BitConverter.HalfToUInt16Bits((Half)scale);
        return Decode(type, [(0, half & 255), (1, half >> 8), .. bytes]);
    }

    private static float[] Decode(DType type, params (int At, int Value)[] bytes)
    {
        byte[] block = new byte[type.BlockBytes()];
        foreach ((int at, int value) in bytes) block[at] = (byte)value;
        float[] values = new float[type.BlockElements()];
        Blocks.Decode(type, block, values);
        return values;
    }
}
