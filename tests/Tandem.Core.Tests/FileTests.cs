using System.Diagnostics;
using System.Text;
using Xunit;

namespace Tandem.Tests;

/// <summary>Mapped files, checksums, atomic writes and the folder lock.</summary>
public unsafe class FileTests : IDisposable
{
    private readonly TestFiles _files = new();

    public void Dispose()
    {
        _files.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public void MappedFileReadsWithinItsBounds()
    {
        File.WriteAllBytes(_files.At("a"), [1, 2, 3, 4, 5]);
        using var file = MappedFile.Open(_files.At("a"));
        Assert.Equal(5, file.Length);
        Assert.Equal([2, 3], file.Span(1, 2).ToArray());
        Assert.Empty(file.Span(5, 0).ToArray());
        foreach (var (offset, bytes) in new[] { (-1L, 1L), (0, 6), (5, 1), (6, 0), (1, long.MaxValue), (long.MaxValue, 1), (0, -1) })
            Assert.Throws<TandemException>(() => (nint)file.Range(offset, bytes));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => (nint)file.Pointer);
    }

    [Fact]
    public void EmptyMissingAndFolder()
    {
        File.WriteAllBytes(_files.At("empty"), []);
        using (var file = MappedFile.Open(_files.At("empty")))
            Assert.True(file.Length == 0 && file.Span(0, 0).IsEmpty);
        Assert.Contains("no such file", Assert.Throws<TandemException>(() => MappedFile.Open(_files.At("none"))).Message, StringComparison.Ordinal);
        Assert.Contains(_files.Folder, Assert.Throws<TandemException>(() => MappedFile.Open(_files.Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ChecksumsMatchPublishedValues()
    {
        // CRC-32C check value of the string "123456789"; all-zero and all-one 32 byte vectors of RFC 3720 B.4; XXH3 of nothing.
        Assert.Equal(0xE3069283u, Checksum.Crc32C("123456789"u8));
        Assert.Equal(0x8A9136AAu, Checksum.Crc32C(new byte[32]));
        Assert.Equal(0x62A8AB43u, Checksum.Crc32C(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
        Assert.Equal(0xE3069283u, Checksum.Crc32C("6789"u8, Checksum.Crc32C("12345"u8)));
        Assert.Equal(0x2D06800538D394C2ul, Checksum.XxHash3([]));

        var data = Enumerable.Range(0, 100_000).Select(i => (byte)(i * 7)).ToArray();
        File.WriteAllBytes(_files.At("c"), data);
        fixed (byte* pointer = data)
        {
            Assert.Equal(Checksum.XxHash3(data), Checksum.XxHash3(pointer, data.Length));
            Assert.Equal(Checksum.Crc32C(data), Checksum.Crc32C(pointer, data.Length));
        }

        Assert.Equal(Checksum.XxHash3(data), Checksum.XxHash3OfFile(_files.At("c")));
        Assert.Throws<TandemException>(() => Checksum.XxHash3OfFile(_files.At("none")));
    }

    [Fact]
    public void AtomicFileReplacesWholeOrNotAtAll()
    {
        var path = _files.At("out.txt");
        AtomicFile.WriteAllText(path, "old");
        using (var file = AtomicFile.Create(path))
        {
            file.Write("half"u8);
            Assert.Equal("old", File.ReadAllText(path));
        }

        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(_files.Folder));
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, _ => throw new InvalidOperationException()));
        Assert.Equal([path], Directory.GetFiles(_files.Folder));

        AtomicFile.Write(path, stream => stream.Write("new"u8));
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFiles(_files.Folder));
    }

    [Fact]
    public void AtomicFileKeepsALinkAndReplacesItsTarget()
    {
        var target = _files.At("target");
        File.WriteAllText(target, "old");
        File.CreateSymbolicLink(_files.At("link"), target);
        AtomicFile.WriteAllText(_files.At("link"), "new");
        Assert.Equal("new", File.ReadAllText(target));
        Assert.NotNull(new FileInfo(_files.At("link")).LinkTarget);
    }

    [Fact]
    public void AtomicFileErrorsNameThePathAndTheCause()
    {
        var missing = Path.Combine(_files.Folder, "no", "x");
        Assert.Contains("no such folder", Assert.Throws<TandemException>(() => AtomicFile.WriteAllText(missing, "")).Message, StringComparison.Ordinal);
        Assert.Contains("it is a folder", Assert.Throws<TandemException>(() => AtomicFile.WriteAllText(_files.Folder, "")).Message, StringComparison.Ordinal);

        Assert.SkipUnless(Directory.Exists("/proc/self"), "needs a folder in which nobody may create files");
        var e = Assert.Throws<TandemException>(() => AtomicFile.WriteAllText("/proc/self/x", "y"));
        Assert.Contains("/proc/self/x", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFullDiskIsATandemException()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs the device that is always full");
        var e = Assert.Throws<TandemException>(() =>
        {
            using var file = AtomicFile.Create(_files.At("big"));
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
            file.Guard(_ => full.Write(new byte[10]));
        });
        Assert.Contains("cannot write '" + _files.At("big"), e.Message, StringComparison.Ordinal);
        Assert.Contains("space", e.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Directory.GetFiles(_files.Folder));
    }

    [Fact]
    public void FolderLockExcludesASecondHolderAndNamesTheFirst()
    {
        var folder = _files.At("run");
        using (FolderLock.Acquire(folder))
        {
            var e = Assert.Throws<TandemException>(() => FolderLock.Acquire(folder));
            Assert.Contains(folder, e.Message, StringComparison.Ordinal);
            Assert.Contains($"process {Environment.ProcessId}", e.Message, StringComparison.Ordinal);
        }

        using (FolderLock.Acquire(folder))
            Assert.True(File.Exists(Path.Combine(folder, ".tandem.lock")));
    }

    [Fact]
    public void FolderLockHoldsAgainstAnotherProcess()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/flock"), "needs the flock command to play the other process");
        var folder = _files.At("run");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, ".tandem.lock"), "");
        File.WriteAllText(Path.Combine(folder, ".tandem.pid"), "4711");
        var start = new ProcessStartInfo("/usr/bin/flock") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in new[] { Path.Combine(folder, ".tandem.lock"), "sh", "-c", "echo locked; read line" })
            start.ArgumentList.Add(argument);
        using var other = Process.Start(start)!;
        Assert.Equal("locked", other.StandardOutput.ReadLine());
        Assert.Contains("process 4711", Assert.Throws<TandemException>(() => FolderLock.Acquire(folder)).Message, StringComparison.Ordinal);
        other.StandardInput.WriteLine();
        other.WaitForExit();
        FolderLock.Acquire(folder).Dispose();
    }

    [Fact]
    public void AFolderThatCannotBeMadeIsATandemException()
    {
        File.WriteAllText(_files.At("file"), "");
        Assert.Contains("file", Assert.Throws<TandemException>(() => FolderLock.Acquire(_files.At("file"))).Message, StringComparison.Ordinal);
        Assert.Equal(Encoding.UTF8.GetBytes(""), File.ReadAllBytes(_files.At("file")));
    }
}
