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
    public void MoreThanThereIsIsAnError()
    {
        var e = Assert.Throws<TandemException>(() => new NativeBuffer(1L << 60));
        Assert.Contains("1,152,921,504,606,846,976", e.Message, StringComparison.Ordinal);
    }
}
