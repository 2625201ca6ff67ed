namespace Tandem.Models;

/// <summary>The numbers that element types have in GGUF files.</summary>
public static class GgufTensorTypes
{
    // Numbers that are missing were withdrawn, or never stored.
    private static readonly (uint Number, DType Type)[] Table =
    [
        (0, DType.F32), (1, DType.F16), (30, DType.BF16), (28, DType.F64), (24, DType.I8), (25, DType.I16), (26, DType.I32), (27, DType.I64),
        (2, DType.Q4_0), (3, DType.Q4_1), (6, DType.Q5_0), (7, DType.Q5_1), (8, DType.Q8_0), (9, DType.Q8_1),
        (10, DType.Q2_K), (11, DType.Q3_K), (12, DType.Q4_K), (13, DType.Q5_K), (14, DType.Q6_K), (15, DType.Q8_K),
        (16, DType.IQ2_XXS), (17, DType.IQ2_XS), (22, DType.IQ2_S), (18, DType.IQ3_XXS), (21, DType.IQ3_S), (19, DType.IQ1_S), (29, DType.IQ1_M),
        (20, DType.IQ4_NL), (23, DType.IQ4_XS), (34, DType.TQ1_0), (35, DType.TQ2_0), (39, DType.MXFP4), (40, DType.NVFP4), (41, DType.Q1_0), (42, DType.Q2_0),
    ];

    /// <summary>All numbers with their types' names, for messages.</summary>
    public static string Accepted { get; } = string.Join(", ", Table.Select(t => $"{t.Number} ({t.Type.Name()})"));

    /// <summary>The type of that number, or null.</summary>
    public static DType? Find(uint number)
    {
        int index = Array.FindIndex(Table, t => t.Number == number);
        return index < 0 ? null : Table[index].Type;
    }

    /// <summary>The number of a type, or null if files have none for it.</summary>
    public static uint? NumberOf(DType type)
    {
        int index = Array.FindIndex(Table, t => t.Type == type);
        return index < 0 ? null : Table[index].Number;
    }
}
