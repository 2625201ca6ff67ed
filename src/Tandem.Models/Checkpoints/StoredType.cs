namespace Tandem.Models;

/// <summary>The element types a checkpoint may hold. Wider than <see cref="DType"/>: a file may be listed without every type being computed with.</summary>
public enum StoredType : byte
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>4-bit float, 2 exponent bits and 1 mantissa bit, two an octet.</summary>
    F4,

    /// <summary>6-bit float, 2 exponent and 3 mantissa bits.</summary>
    F6E2M3,

    /// <summary>6-bit float, 3 exponent and 2 mantissa bits.</summary>
    F6E3M2,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>8-bit float, see <see cref="Float8E5M2"/>.</summary>
    F8E5M2,

    /// <summary>8-bit float, see <see cref="Float8E4M3"/>.</summary>
    F8E4M3,

    /// <summary>8-bit power of two, a block scale.</summary>
    F8E8M0,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>IEEE 754 binary32.</summary>
    F32,

    /// <summary>Two binary32: a complex number.</summary>
    C64,

    /// <summary>IEEE 754 binary64.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,

    /// <summary>Block-quantized, in a GGUF file; <see cref="StoredTensor.BlockType"/> says how.</summary>
    Block,
}

/// <summary>Names, sizes and counterparts of <see cref="StoredType"/>.</summary>
public static class StoredTypes
{
    private static readonly (string Name, int Bits, DType? DType)[] Table =
    [
        ("BOOL", 8, DType.Bool), ("F4", 4, null), ("F6_E2M3", 6, null), ("F6_E3M2", 6, null), ("U8", 8, DType.U8), ("I8", 8, DType.I8),
        ("F8_E5M2", 8, DType.F8E5M2), ("F8_E4M3", 8, DType.F8E4M3), ("F8_E8M0", 8, null), ("I16", 16, DType.I16), ("U16", 16, null),
        ("F16", 16, DType.F16), ("BF16", 16, DType.BF16), ("I32", 32, DType.I32), ("U32", 32, null), ("F32", 32, DType.F32), ("C64", 64, null),
        ("F64", 64, DType.F64), ("I64", 64, DType.I64), ("U64", 64, null),
    ];

    private static readonly Dictionary<string, StoredType> ByName = Enumerable.Range(0, Table.Length).ToDictionary(i => Table[i].Name, i => (StoredType)i);

    /// <summary>All names as safetensors spells them, for messages.</summary>
    public static string AllNames { get; } = string.Join(", ", Table.Select(x => x.Name));

    /// <summary>The name as safetensors spells it, for example <c>BF16</c>.</summary>
    public static string Name(this StoredType type) => type == StoredType.Block ? "blocks" : Table[(int)type].Name;

    /// <summary>Bits of one element.</summary>
    public static int Bits(this StoredType type) => Table[(int)type].Bits;

    /// <summary>The type tensors compute with, or null where there is none.</summary>
    public static DType? ToDType(this StoredType type) => type == StoredType.Block ? null : Table[(int)type].DType;

    /// <summary>True for the types that <see cref="StoredTensor.CopyTo(DType, void*, int)"/> converts to f32, f16 and bf16.</summary>
    public static bool IsConvertible(this StoredType type) =>
        type is StoredType.F64 or StoredType.F32 or StoredType.F16 or StoredType.BF16 or StoredType.F8E4M3 or StoredType.F8E5M2;

    /// <summary>The stored type of a <see cref="DType"/>.</summary>
    public static StoredType ToStored(this DType dtype)
    {
        var index = Array.FindIndex(Table, x => x.DType == dtype);
        return index >= 0 ? (StoredType)index : throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not storable in safetensors");
    }

    internal static bool TryParse(string name, out StoredType type) => ByName.TryGetValue(name, out type);
}
