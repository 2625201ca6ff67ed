namespace Tandem.Models;

/// <summary>Files of a bounded size, read whole.</summary>
internal static class BoundedFile
{
    /// <summary>All bytes of a file.</summary>
    /// <exception cref="TandemException">It cannot be read, or is too large.</exception>
    public static byte[] ReadAllBytes(string path, int maxBytes)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 0);
            if (stream.Length > maxBytes)
                throw new TandemException($"'{path}': {stream.Length} bytes; accepted: up to {maxBytes}");
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }
}
