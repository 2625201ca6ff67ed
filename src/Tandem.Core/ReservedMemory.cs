using System.Runtime.InteropServices;

namespace Tandem;

/// <summary>
/// One range of addresses whose pages are committed when they are first touched, zeroed. On Linux the reservation is not counted against the memory there is,
/// so that a cache for the longest case costs nothing until it is used; elsewhere it is an ordinary <see cref="NativeBuffer"/>.
/// </summary>
public sealed unsafe partial class ReservedMemory : IDisposable
{
    private const int ReadWrite = 1 | 2, PrivateAnonymousNoReserve = 0x2 | 0x20 | 0x4000;

    private readonly NativeBuffer? _fallback;
    private readonly bool _mapped;
    private byte* _pointer;

    /// <summary>Reserves <paramref name="bytes"/> bytes.</summary>
    /// <exception cref="TandemException">There are not as many addresses.</exception>
    public ReservedMemory(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
        _mapped = OperatingSystem.IsLinux() && bytes > 0;
        if (!_mapped)
        {
            _fallback = new NativeBuffer(bytes);
            _pointer = _fallback.Pointer;
            return;
        }

        nint address = Map(0, (nuint)bytes, ReadWrite, PrivateAnonymousNoReserve, -1, 0);
        if (address == -1) throw new TandemException($"cannot reserve {bytes:N0} bytes of addresses (error {Marshal.GetLastPInvokeError()}); a smaller cache needs fewer");
        _pointer = (byte*)address;
    }

    /// <summary>Returns the addresses of memory that was not disposed.</summary>
    ~ReservedMemory() => Free();

    /// <summary>Size in bytes.</summary>
    public long Bytes { get; }

    /// <summary>A part of the range; it must not be used after this object is disposed.</summary>
    public NativeBuffer View(long offset, long bytes)
    {
        ObjectDisposedException.ThrowIf(_pointer == null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, Bytes - offset);
        return NativeBuffer.ViewOf(_pointer + offset, bytes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_pointer == null) return;
        if (_mapped) _ = Unmap((nint)_pointer, (nuint)Bytes);
        _fallback?.Dispose();
        _pointer = null;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
