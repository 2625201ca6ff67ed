using Xunit;

namespace Tandem.Graph.Tests;

/// <summary>Copies into layouts and back, whole and in ranges, against the place of each element.</summary>
public sealed unsafe class LayoutTests
{
    public static TheoryData<int, int, DType, Layout> Cases
    {
        get
        {
            var data = new TheoryData<int, int, DType, Layout>();
            foreach ((int rows, int columns) in ((int, int)[])[(1, 1), (15, 7), (16, 64), (17, 100), (50, 33), (40, 16), (7, 129)])
                foreach (DType dtype in (DType[])[DType.F32, DType.BF16, DType.F16])
                    foreach (Layout layout in (Layout[])[Layout.RowMajor, Layout.Panel16, Layout.Panel16Transposed]) data.Add(rows, columns, dtype, layout);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_element_is_in_its_place_and_padding_is_zero(int rows, int columns, DType dtype, Layout layout)
    {
        TensorType type = new TensorType(dtype, RowSymbol.None, rows, columns).With(layout);
        float[] values = Values(rows * columns, dtype), back = new float[values.Length];
        using var memory = new NativeBuffer(type.RowBytes);
        new Span<byte>(memory.Pointer, (int)type.RowBytes).Fill(0x3f);
        fixed (float* v = values, b = back)
        {
            Layouts.Pack(type, v, memory.Pointer);
            Layouts.Unpack(type, memory.Pointer, b);
        }

        Assert.Equal(values, back);
        var isElement = new bool[type.RowBytes / dtype.Size()];
        for (int i = 0; i < values.Length; i++)
        {
            Assert.Equal(values[i], At(dtype, memory, Layouts.Place(type, i)));
            isElement[Layouts.Place(type, i)] = true;
        }

        for (int i = 0; i < isElement.Length; i++)
            if (!isElement[i]) Assert.Equal(0f, At(dtype, memory, i));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Ranges_make_up_the_whole(int rows, int columns, DType dtype, Layout layout)
    {
        TensorType type = new TensorType(dtype, RowSymbol.None, rows, columns).With(layout);
        float[] values = Values(rows * columns, dtype);
        using var whole = new NativeBuffer(type.RowBytes);
        fixed (float* v = values) Layouts.Pack(type, v, whole.Pointer);
        foreach (int length in (int[])[1, 37, columns, 16 * columns, 23 * columns])
        {
            using var parts = new NativeBuffer(type.RowBytes);
            for (int first = 0; first < values.Length; first += length)
            {
                Span<float> range = values.AsSpan(first, Math.Min(length, values.Length - first));
                Layouts.Pack(type, range, first, parts.Pointer);
                var back = new float[range.Length];
                Layouts.Unpack(type, whole.Pointer, first, back);
                Assert.Equal(range.ToArray(), back);
            }

            Assert.True(new Span<byte>(whole.Pointer, (int)type.RowBytes).SequenceEqual(new Span<byte>(parts.Pointer, (int)type.RowBytes)));
        }
    }

    [Fact]
    public void A_range_beyond_the_tensor_is_refused()
    {
        var type = new TensorType(DType.F32, RowSymbol.None, 4, 5);
        using var memory = new NativeBuffer(type.RowBytes);
        nint pointer = (nint)memory.Pointer;
        Assert.Throws<GraphException>(() => Layouts.Unpack(type, (byte*)pointer, 16, new float[5]));
        Assert.Throws<GraphException>(() => Layouts.Pack(type, new float[5], -1, (byte*)pointer));
    }

    // Multiples of 1/8 below 32 are exact in every type.
    private static float[] Values(int count, DType dtype) => [.. Enumerable.Range(0, count).Select(i => (dtype == DType.F32 ? i * 0.37f : i * 13 % 247 / 8f) + 1)];

    private static float At(DType dtype, NativeBuffer memory, long place) => dtype switch
    {
        DType.F32 => ((float*)memory.Pointer)[place],
        DType.BF16 => ((BFloat16*)memory.Pointer)[place].ToSingle(),
        _ => (float)((Half*)memory.Pointer)[place],
    };
}
