using System.Runtime.InteropServices;

namespace Tandem;

/// <summary>
/// A block of native memory, 64-byte aligned and zeroed, owned by whoever created it.
/// Pages that nobody touches are never committed by the operating system, so a large reservation costs nothing until used. Large buffers ask for huge pages.
/// </summary>
public sealed unsafe class NativeBuffer : IDisposable
{
    /// <summary>Alignment of every buffer and of every tensor inside an arena, in bytes.</summary>
    public const int Alignment = 64;

    private readonly bool _isMapped;
    private readonly NativeBuffer? _owner;
    private byte* _base;
    private byte* _pointer;

    /// <summary>Allocates <paramref name="bytes"/> zeroed bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is negative.</exception>
    /// <exception cref="TandemException">The operating system does not give that much memory.</exception>
    public NativeBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
        _isMapped = SystemPages.Supported && bytes >= SystemPages.MinBytes;
        if (_isMapped)
        {
            _pointer = _base = SystemPages.TryMap(bytes);
            if (_base == null) throw new TandemException($"cannot allocate {bytes:N0} bytes of native memory");
            return;
        }

        try
        {
            // calloc, not aligned_alloc + clear: fresh pages are zero already and stay uncommitted.
            _base = (byte*)NativeMemory.AllocZeroed((nuint)bytes + Alignment);
        }
        catch (OutOfMemoryException e)
        {
            throw new TandemException($"cannot allocate {bytes:N0} bytes of native memory", e);
        }

        _pointer = (byte*)(((nint)_base + Alignment - 1) & ~(nint)(Alignment - 1));
    }

    private NativeBuffer(byte* pointer, long bytes, NativeBuffer? owner)
    {
        _pointer = pointer;
        _owner = owner;
        Bytes = bytes;
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the memory of a buffer that was not disposed.</summary>
    ~NativeBuffer() => Free();

    /// <summary>Size in bytes.</summary>
    public long Bytes { get; }

    /// <summary>Start of the memory.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pointer == null || _owner is { _pointer: null }, this);
            return _pointer;
        }
    }

    /// <summary>A view of the memory as elements of <typeparamref name="T"/>.</summary>
    public Span<T> Span<T>()
        where T : unmanaged => new(Pointer, checked((int)(Bytes / sizeof(T))));

    /// <summary>Memory of somebody else as a buffer; disposing it frees nothing.</summary>
    internal static NativeBuffer ViewOf(byte* pointer, long bytes) => new(pointer, bytes, null);

    /// <summary>
    /// One buffer cut into parts of these sizes, each aligned: many small tensors then share huge pages. The memory lives until the whole is disposed.
    /// </summary>
    public static NativeBuffer Divide(IReadOnlyList<long> sizes, out NativeBuffer[] parts)
    {
        var whole = new NativeBuffer(sizes.Sum(Align));
        parts = new NativeBuffer[sizes.Count];
        long offset = 0;
        for (int i = 0; i < parts.Length; offset += Align(sizes[i++])) parts[i] = new NativeBuffer(whole.Pointer + offset, sizes[i], whole);
        return whole;
    }

    /// <summary>Sets every byte to zero.</summary>
    public void Clear() => NativeMemory.Clear(Pointer, (nuint)Bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static long Align(long bytes) => (bytes + Alignment - 1) & ~(long)(Alignment - 1);

    private void Free()
    {
        if (_isMapped && _base != null) SystemPages.Unmap(_base, Bytes);
        else NativeMemory.Free(_base);
        _base = null;
        _pointer = null;
    }
}
