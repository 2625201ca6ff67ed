namespace Tandem.Models;

/// <summary>What is wrong with a GGUF file.</summary>
public enum GgufError
{
    /// <summary>The file ends before what it describes does.</summary>
    Truncated,

    /// <summary>It does not begin with the letters GGUF.</summary>
    BadMagic,

    /// <summary>Neither version 2 nor 3.</summary>
    UnsupportedVersion,

    /// <summary>Written on and for a big-endian machine.</summary>
    BigEndian,

    /// <summary>More keys or tensors than the file has room for.</summary>
    CountTooLarge,

    /// <summary>A string that is longer than the rest of the file, or than a name may be.</summary>
    StringTooLong,

    /// <summary>A string that is not UTF-8.</summary>
    NotUtf8,

    /// <summary>A value type nobody knows.</summary>
    UnknownValueType,

    /// <summary>A value that its type does not allow, or an array of arrays.</summary>
    BadValue,

    /// <summary>An array that is longer than the rest of the file.</summary>
    ArrayTooLarge,

    /// <summary>A key occurs twice.</summary>
    DuplicateKey,

    /// <summary>A key that is needed is not there.</summary>
    MissingKey,

    /// <summary>A key's value has another type than it must have.</summary>
    WrongValueType,

    /// <summary>general.alignment is not a power of two.</summary>
    BadAlignment,

    /// <summary>A tensor's name occurs twice.</summary>
    DuplicateTensor,

    /// <summary>More than four dimensions.</summary>
    TooManyDims,

    /// <summary>A size that does not fit in 63 bits.</summary>
    DimOverflow,

    /// <summary>A tensor type nobody knows.</summary>
    UnknownTensorType,

    /// <summary>Rows that are not whole blocks.</summary>
    RowNotMultipleOfBlock,

    /// <summary>A tensor that does not begin on the alignment.</summary>
    OffsetUnaligned,

    /// <summary>A tensor's data reaches beyond the end of the file.</summary>
    DataOutOfFile,

    /// <summary>Two tensors share bytes.</summary>
    Overlap,
}

/// <summary>A GGUF file that cannot be read as what it claims to be.</summary>
public sealed class GgufException(GgufError error, string message) : TandemException(message)
{
    /// <summary>What is wrong.</summary>
    public GgufError Error { get; } = error;
}
