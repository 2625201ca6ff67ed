namespace Tandem.Graph;

/// <summary>
/// The types of keys and values in key/value blocks: F32, F16, BF16, Q8_0 or Q4_1, each side by itself. Of the last two 32 elements of one token's head share a
/// scale (and, of Q4_1, a minimum) in f16, so that nothing spans tokens; Q4_1 holds heads turned by a Hadamard matrix, which spreads outliers over the block.
/// </summary>
/// <param name="Key">Type of the keys.</param>
/// <param name="Value">Type of the values.</param>
public readonly record struct KvTypes(DType Key, DType Value)
{
    /// <summary>Elements that share a scale.</summary>
    public const int GroupElements = 32;

    /// <summary>Keys and values of one type.</summary>
    public static implicit operator KvTypes(DType both) => new(both, both);

    /// <summary>Names of the types that blocks can hold.</summary>
    public const string SupportedNames = "f32, f16, bf16, q8_0 or q4_1";

    /// <summary>Whether blocks can hold elements of that type.</summary>
    public static bool IsSupported(DType type) => type is DType.F32 or DType.F16 or DType.BF16 or DType.Q8_0 or DType.Q4_1;

    /// <summary>The type of that name; <c>q8</c> and <c>int8</c> are Q8_0, <c>q4</c>, <c>int4</c> and <c>q4_0</c> are Q4_1, the only 4-bit type. Null if there is none.</summary>
    public static DType? Find(string name) => name.ToLowerInvariant() switch
    {
        "q8" or "int8" => DType.Q8_0,
        "q4" or "int4" or "q4_0" => DType.Q4_1,
        _ => DTypes.Find(name) is { } type && IsSupported(type) ? type : null,
    };

    /// <summary>Bytes of the keys of one head in a block: 2 panels of 16 keys, of which a quantized one is groups of 32 dimensions, pair by pair.</summary>
    public static int KeyBytes(DType type, int headDim) => type.IsBlock()
        ? BatchView.BlockTokens / 16 * ((Groups(headDim) * 16 * ScaleBytes(type)) + ((headDim + 1) / 2 * PairBytes(type)))
        : BatchView.BlockTokens * headDim * type.Size();

    /// <summary>Bytes of the values of one head in a block: panels of 16 dimensions, or groups of 32.</summary>
    public static int ValueBytes(DType type, int valueDim) => type.IsBlock()
        ? Groups(valueDim) * BatchView.BlockTokens * (ScaleBytes(type) + PairBytes(type))
        : BatchView.BlockTokens * TensorType.PaddedTo16(valueDim) * type.Size();

    /// <summary>Groups of 32 elements of a head.</summary>
    public static int Groups(int dim) => (dim + GroupElements - 1) / GroupElements;

    /// <summary>Bytes of a group's scale and minimum.</summary>
    public static int ScaleBytes(DType type) => type == DType.Q4_1 ? 4 : 2;

    /// <summary>Bytes of two rows of 16 elements: in 4 bits the first row has the lower halves.</summary>
    public static int PairBytes(DType type) => type == DType.Q4_1 ? 16 : 32;

    /// <summary>For example <c>q8_0</c>, or <c>q8_0/q4_1</c> for keys and values of different types.</summary>
    public override string ToString() => Key == Value ? Key.Name() : $"{Key.Name()}/{Value.Name()}";
}
