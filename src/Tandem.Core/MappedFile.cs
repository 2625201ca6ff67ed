using System.IO.MemoryMappedFiles;

namespace Tandem;

/// <summary>
/// A file mapped read-only into memory; offsets and lengths are 64-bit. Pages are read when first touched, so opening costs nothing.
/// Copy out what is needed and dispose it: reading a mapped file that somebody shortens kills the process.
/// </summary>
public sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _pointer;
    private bool _disposed;

    private MappedFile(string path)
    {
        Path = path;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 0);
        Length = stream.Length;

        // A mapping of zero bytes does not exist; an empty file is a valid file with nothing in it.
        if (Length == 0)
            return;

        _file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        byte* pointer = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        _pointer = pointer + _view.PointerOffset;
    }

    /// <summary>The path it was opened with.</summary>
    public string Path { get; }

    /// <summary>Size in bytes.</summary>
    public long Length { get; }

    /// <summary>Start of the file's bytes; null for an empty file.</summary>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _pointer;
        }
    }

    /// <summary>Maps a file.</summary>
    /// <exception cref="TandemException">It does not exist, is a folder, or may not be read.</exception>
    public static MappedFile Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            return new(path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
    }

    /// <summary>Start of the <paramref name="bytes"/> bytes at <paramref name="offset"/>.</summary>
    /// <exception cref="TandemException">They are not all inside the file.</exception>
    public byte* Range(long offset, long bytes)
    {
        if (offset < 0 || bytes < 0 || offset > Length - bytes)
            throw new TandemException($"'{Path}': {bytes:N0} bytes at offset {offset:N0} are not in the file, which has {Length:N0} bytes");
        return Pointer + offset;
    }

    /// <summary>A view of <paramref name="bytes"/> bytes at <paramref name="offset"/>.</summary>
    /// <exception cref="TandemException">They are not all inside the file.</exception>
    public ReadOnlySpan<byte> Span(long offset, int bytes) => new(Range(offset, bytes), bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (_pointer != null)
            _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _pointer = null;
        _view?.Dispose();
        _file?.Dispose();
    }
}
