using System.Text;

namespace Tandem;

/// <summary>
/// A file that appears whole or not at all: it is written under a temporary name beside its target, flushed to the disk and renamed over the target
/// by <see cref="Commit"/>. Without a commit, <see cref="Dispose"/> deletes the temporary file and the old target stays.
/// </summary>
public sealed unsafe class AtomicFile : IDisposable
{
    private const int Chunk = 1 << 26;

    private readonly string _temporary;
    private readonly FileStream _stream;
    private bool _closed;

    private AtomicFile(string path, string temporary)
    {
        Path = path;
        _temporary = temporary;
        _stream = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
    }

    /// <summary>The target.</summary>
    public string Path { get; }

    /// <summary>Bytes written so far.</summary>
    public long Position => _stream.Position;

    /// <summary>Starts a file. The folder must exist.</summary>
    /// <exception cref="TandemException">The folder does not exist or may not be written to.</exception>
    public static AtomicFile Create(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            // The link's target is replaced, not the link: a renamed file would cut off other readers of the target.
            var linked = new FileInfo(path).LinkTarget is null ? null : File.ResolveLinkTarget(path, returnFinalTarget: true);
            var target = linked?.FullName ?? System.IO.Path.GetFullPath(path);
            if (Directory.Exists(target))
                throw new TandemException($"cannot write '{path}': it is a folder");
            var name = $".{System.IO.Path.GetFileName(target)}.{Environment.ProcessId}-{Guid.NewGuid():N}.tmp";
            return new(target, System.IO.Path.Combine(System.IO.Path.GetDirectoryName(target) ?? ".", name));
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot write", path, e);
        }
    }

    /// <summary>Writes a whole file through a stream.</summary>
    /// <exception cref="TandemException">The folder is missing or read-only, or the disk is full. The old file, if any, is untouched.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        using var file = Create(path);
        file.Guard(write);
        file.Commit();
    }

    /// <summary>Writes a whole file.</summary>
    /// <exception cref="TandemException">As for <see cref="Write(string, Action{Stream})"/>.</exception>
    public static void WriteAllBytes(string path, ReadOnlySpan<byte> bytes)
    {
        using var file = Create(path);
        file.Write(bytes);
        file.Commit();
    }

    /// <summary>Writes a whole text file as UTF-8 without byte order mark.</summary>
    /// <exception cref="TandemException">As for <see cref="Write(string, Action{Stream})"/>.</exception>
    public static void WriteAllText(string path, string text) => WriteAllBytes(path, Encoding.UTF8.GetBytes(text));

    /// <summary>Appends bytes.</summary>
    /// <exception cref="TandemException">The disk is full or gone.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        try
        {
            _stream.Write(bytes);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot write", Path, e);
        }
    }

    /// <summary>Appends native memory of any length.</summary>
    /// <exception cref="TandemException">The disk is full or gone.</exception>
    public void Write(byte* data, long bytes)
    {
        for (long i = 0; i < bytes; i += Chunk)
            Write(new ReadOnlySpan<byte>(data + i, (int)Math.Min(Chunk, bytes - i)));
    }

    /// <summary>Flushes the content to the disk and gives the file its name, replacing what had it.</summary>
    /// <exception cref="TandemException">The disk is full, or the target may not be replaced. The old file, if any, is untouched.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        try
        {
            _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            File.Move(_temporary, Path, overwrite: true);
            _closed = true;
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot write", Path, e);
        }
    }

    /// <summary>Deletes the temporary file unless it was committed.</summary>
    public void Dispose()
    {
        if (_closed)
            return;
        _closed = true;
        try
        {
            _stream.Dispose();
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // The buffered rest of a file that is thrown away did not fit on a full disk; the error that led here is already on its way.
        }

        try
        {
            File.Delete(_temporary);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // Left behind under a name nothing reads (the folder became read-only or went away); must not hide the first error.
        }
    }

    internal void Guard(Action<Stream> write)
    {
        try
        {
            write(_stream);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Wrap("cannot write", Path, e);
        }
    }
}
