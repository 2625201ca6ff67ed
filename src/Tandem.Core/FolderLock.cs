using System.Globalization;

namespace Tandem;

/// <summary>
/// Exclusive use of an output folder by one process. The lock is the operating system's on the open file <c>.tandem.lock</c>: it ends with the
/// process however that ends, so a crash leaves nothing to clean up. The holder's process id stands in <c>.tandem.pid</c> beside it, for messages.
/// </summary>
public sealed class FolderLock : IDisposable
{
    private const string LockName = ".tandem.lock";
    private const string PidName = ".tandem.pid";

    private FileStream? _stream;

    private FolderLock(string folder, FileStream stream)
    {
        Folder = folder;
        _stream = stream;
    }

    /// <summary>The locked folder.</summary>
    public string Folder { get; }

    /// <summary>Locks a folder, creating it if needed.</summary>
    /// <exception cref="TandemException">Another process (or another part of this one) has it, or it cannot be created or written to.</exception>
    public static FolderLock Acquire(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot create folder", folder, e);
        }

        var lockPath = Path.Combine(folder, LockName);
        FileStream stream;
        try
        {
            stream = new(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException) && File.Exists(lockPath))
        {
            var pid = ReadPid(folder);
            var who = pid is null ? "another process" : $"process {pid}";
            throw new TandemException($"folder '{folder}' is in use by {who}: wait for it to end, or give another folder", e);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot lock folder", folder, e);
        }

        try
        {
            AtomicFile.WriteAllText(Path.Combine(folder, PidName), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        }
        catch (TandemException)
        {
            stream.Dispose();
            throw;
        }

        return new(folder, stream);
    }

    /// <summary>Gives the folder free. The empty lock file stays: deleting it would let two later processes lock two different files.</summary>
    public void Dispose()
    {
        if (_stream is null)
            return;
        try
        {
            File.Delete(Path.Combine(Folder, PidName));
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // Only a message of a later conflict would read it, and the next holder overwrites it.
        }

        _stream.Dispose();
        _stream = null;
    }

    private static int? ReadPid(string folder)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(folder, PidName));
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : null;
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            // The holder has not written it yet or has just deleted it.
            return null;
        }
    }
}
