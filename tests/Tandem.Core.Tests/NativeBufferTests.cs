using Xunit;

namespace Tandem.Tests;

/// <summary>Buffers are zeroed, aligned and as long as they say, whether they come from the allocator or from pages of their own.</summary>
public unsafe class NativeBufferTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(SystemPages.MinBytes - 1)]
    [InlineData(SystemPages.MinBytes)]
    [InlineData(SystemPages.MinBytes + 1)]
    [InlineData((5L << 20) + 3)]
    public void IsZeroedAndWritableToItsEnd(long bytes)
    {
        // Twice, so that the second may get the memory that the first has written.
        for (int i = 0; i < 2; i++)
        {
            using var buffer = new NativeBuffer(bytes);
            Assert.Equal(0, (nint)buffer.Pointer % NativeBuffer.Alignment);
            Assert.Equal(-1, buffer.Span<byte>().IndexOfAnyExcept((byte)0));
            buffer.Span<byte>().Fill(0xFF);
        }
    }

    [Fact]
    public void IsGoneAfterDispose()
    {
        var buffer = new NativeBuffer(SystemPages.MinBytes);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => (nint)buffer.Pointer);
    }

    [Fact]
    public void PartsAreAlignedDisjointAndGoneWithTheWhole()
    {
        NativeBuffer whole = NativeBuffer.Divide([5, 0, 64, SystemPages.MinBytes, 7], out NativeBuffer[] parts);
        for (int i = 0; i < parts.Length; i++) parts[i].Span<byte>().Fill((byte)(i + 1));
        for (int i = 0; i < parts.Length; i++)
        {
            Assert.Equal(0, (nint)parts[i].Pointer % NativeBuffer.Alignment);
            Assert.Equal(-1, parts[i].Span<byte>().IndexOfAnyExcept((byte)(i + 1)));
        }

        parts[0].Dispose();
        Assert.Equal(5, parts[4].Span<byte>()[0]);
        whole.Dispose();
        Assert.Throws<ObjectDisposedException>(() => (nint)parts[4].Pointer);
    }

    [Fact]
    public void MoreThanThereIsIsAnError()
    {
        var e = Assert.Throws<TandemException>(() => new NativeBuffer(1L << 60));
        Assert.Contains("1,152,921,504,606,846,976", e.Message, StringComparison.Ordinal);
    }
}
