namespace Tandem.Models;

/// <summary>What is wrong with a checkpoint file.</summary>
public enum CheckpointError
{
    /// <summary>The file ends before its header does.</summary>
    Truncated,

    /// <summary>The header is empty.</summary>
    BadHeader,

    /// <summary>The header's stated length is above the limit.</summary>
    HeaderTooLarge,

    /// <summary>The header is not a JSON object.</summary>
    BadJson,

    /// <summary>The header is not UTF-8.</summary>
    NotUtf8,

    /// <summary>A name occurs twice.</summary>
    DuplicateKey,

    /// <summary><c>__metadata__</c> is not an object of strings.</summary>
    BadMetadata,

    /// <summary>A tensor's description lacks a field or has a malformed one.</summary>
    BadTensorInfo,

    /// <summary>An element type nobody knows.</summary>
    UnknownDType,

    /// <summary>A shape whose size does not fit in 63 bits.</summary>
    ShapeOverflow,

    /// <summary>Shape and element type need another number of bytes than the offsets give.</summary>
    SizeMismatch,

    /// <summary>Offsets that run backwards.</summary>
    BadOffsets,

    /// <summary>A tensor's data reaches beyond the end of the file.</summary>
    DataOutOfFile,

    /// <summary>Two tensors share bytes.</summary>
    Overlap,

    /// <summary>Bytes that belong to no tensor.</summary>
    Hole,
}

/// <summary>A checkpoint file that cannot be read as what it claims to be.</summary>
public sealed class CheckpointException : TandemException
{
    /// <summary>Creates the error.</summary>
    public CheckpointException(CheckpointError error, string message)
        : base(message)
    {
        Error = error;
    }

    /// <summary>Creates the error with its cause.</summary>
    public CheckpointException(CheckpointError error, string message, Exception inner)
        : base(message, inner)
    {
        Error = error;
    }

    /// <summary>What is wrong.</summary>
    public CheckpointError Error { get; }

    /// <summary>A name from a file, fit for a message: quoted, cut at 100 characters, control characters escaped.</summary>
    internal static string Quote(string name)
    {
        var text = name.Length <= 100 ? name : name[..100] + "...";
        return "'" + string.Concat(text.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? $"\\u{(int)c:x4}" : c.ToString())) + "'";
    }
}
