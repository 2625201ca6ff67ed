namespace Tandem;

/// <summary>
/// The element type of a tensor, as stored. In block-quantized types some elements of a row share scales: they are those of GGUF files, under its names, and their
/// memory is blocks one after another (<see cref="DTypes.BlockElements"/> and <see cref="DTypes.BlockBytes"/>).
/// </summary>
public enum DType : byte
{
    /// <summary>IEEE 754 binary64.</summary>
    F64,

    /// <summary>IEEE 754 binary32.</summary>
    F32,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>bfloat16: the upper half of a binary32.</summary>
    BF16,

    /// <summary>8-bit float, 4 exponent and 3 mantissa bits, finite (no infinities).</summary>
    F8E4M3,

    /// <summary>8-bit float, 5 exponent and 2 mantissa bits.</summary>
    F8E5M2,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>Blocks of 32: 4 bits and a scale.</summary>
    Q4_0,

    /// <summary>Blocks of 32: 4 bits, a scale and a minimum.</summary>
    Q4_1,

    /// <summary>Blocks of 32: 5 bits and a scale.</summary>
    Q5_0,

    /// <summary>Blocks of 32: 5 bits, a scale and a minimum.</summary>
    Q5_1,

    /// <summary>Blocks of 32: 8 bits and a scale.</summary>
    Q8_0,

    /// <summary>Blocks of 32: 8 bits, a scale and the scaled sum; for activations.</summary>
    Q8_1,

    /// <summary>Blocks of 256: 2 bits; 16 sub-blocks with 4-bit scales and minima.</summary>
    Q2_K,

    /// <summary>Blocks of 256: 3 bits; 16 sub-blocks with 6-bit scales.</summary>
    Q3_K,

    /// <summary>Blocks of 256: 4 bits; 8 sub-blocks with 6-bit scales and minima.</summary>
    Q4_K,

    /// <summary>Blocks of 256: 5 bits; 8 sub-blocks with 6-bit scales and minima.</summary>
    Q5_K,

    /// <summary>Blocks of 256: 6 bits; 16 sub-blocks with 8-bit scales.</summary>
    Q6_K,

    /// <summary>Blocks of 256: 8 bits, a binary32 scale and sums of 16; for activations.</summary>
    Q8_K,

    /// <summary>Blocks of 256: 2.06 bits: eight values an entry of a codebook of 256.</summary>
    IQ2_XXS,

    /// <summary>Blocks of 256: 2.31 bits: a codebook of 512.</summary>
    IQ2_XS,

    /// <summary>Blocks of 256: 2.56 bits: a codebook of 1,024.</summary>
    IQ2_S,

    /// <summary>Blocks of 256: 3.06 bits: four values an entry of a codebook of 256.</summary>
    IQ3_XXS,

    /// <summary>Blocks of 256: 3.44 bits: a codebook of 512.</summary>
    IQ3_S,

    /// <summary>Blocks of 256: 1.56 bits: ternary codebook of 2,048.</summary>
    IQ1_S,

    /// <summary>Blocks of 256: 1.75 bits: ternary codebook, finer scales.</summary>
    IQ1_M,

    /// <summary>Blocks of 32: 4 bits as an index of 16 uneven values, and a scale.</summary>
    IQ4_NL,

    /// <summary>Blocks of 256: as IQ4_NL; 8 sub-blocks with 6-bit scales.</summary>
    IQ4_XS,

    /// <summary>Blocks of 256: ternary, five values a byte.</summary>
    TQ1_0,

    /// <summary>Blocks of 256: ternary, four values a byte.</summary>
    TQ2_0,

    /// <summary>Blocks of 32: 4-bit float and a power of two (OCP MX).</summary>
    MXFP4,

    /// <summary>Blocks of 64: 4-bit float; an 8-bit float scale for every 16.</summary>
    NVFP4,

    /// <summary>Blocks of 128: a sign and a scale.</summary>
    Q1_0,

    /// <summary>Blocks of 64: 2 bits and a scale.</summary>
    Q2_0,

    /// <summary>Blocks of 32: a binary32 scale, the sum as a 32-bit integer, 8 bits; for activations inside a step, never in files.</summary>
    Q8_F,
}

/// <summary>Sizes and names of <see cref="DType"/>.</summary>
public static class DTypes
{
    private static readonly (string Name, int Elements, int Bytes)[] Table =
    [
        ("f64", 1, 8), ("f32", 1, 4), ("f16", 1, 2), ("bf16", 1, 2), ("f8_e4m3", 1, 1), ("f8_e5m2", 1, 1),
        ("i64", 1, 8), ("i32", 1, 4), ("i16", 1, 2), ("i8", 1, 1), ("u8", 1, 1), ("bool", 1, 1),
        ("q4_0", 32, 18), ("q4_1", 32, 20), ("q5_0", 32, 22), ("q5_1", 32, 24), ("q8_0", 32, 34), ("q8_1", 32, 36), ("q2_k", 256, 84),
        ("q3_k", 256, 110), ("q4_k", 256, 144), ("q5_k", 256, 176), ("q6_k", 256, 210), ("q8_k", 256, 292), ("iq2_xxs", 256, 66),
        ("iq2_xs", 256, 74), ("iq2_s", 256, 82), ("iq3_xxs", 256, 98), ("iq3_s", 256, 110), ("iq1_s", 256, 50), ("iq1_m", 256, 56),
        ("iq4_nl", 32, 18), ("iq4_xs", 256, 136), ("tq1_0", 256, 54), ("tq2_0", 256, 66), ("mxfp4", 32, 17), ("nvfp4", 64, 36),
        ("q1_0", 128, 18), ("q2_0", 64, 18), ("q8_f", 32, 40),
    ];

    /// <summary>All types.</summary>
    public static IEnumerable<DType> All => Enum.GetValues<DType>();

    /// <summary>Bytes of one element.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The type is one of blocks.</exception>
    public static int Size(this DType dtype) =>
        dtype.IsBlock() ? throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "elements of a block have no size of their own") : Table[(int)dtype].Bytes;

    /// <summary>Whether elements share scales, block by block.</summary>
    public static bool IsBlock(this DType dtype) => dtype > DType.Bool;

    /// <summary>Elements of a block; 1 for plain types. A row is whole blocks.</summary>
    public static int BlockElements(this DType dtype) => Table[(int)dtype].Elements;

    /// <summary>Bytes of a block; of an element for plain types.</summary>
    public static int BlockBytes(this DType dtype) => Table[(int)dtype].Bytes;

    /// <summary>Bytes of <paramref name="elements"/> elements, which are whole blocks.</summary>
    public static long Bytes(this DType dtype, long elements) => elements / dtype.BlockElements() * dtype.BlockBytes();

    /// <summary>The lower-case name used in printed graphs and errors, for example <c>bf16</c> or <c>q4_k</c>.</summary>
    public static string Name(this DType dtype) => Table[(int)dtype].Name;

    /// <summary>The type of that name, in either case; null if there is none.</summary>
    public static DType? Find(string name)
    {
        int index = Array.FindIndex(Table, t => string.Equals(t.Name, name, StringComparison.OrdinalIgnoreCase));
        return index < 0 ? null : (DType)index;
    }
}
