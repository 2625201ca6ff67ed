using Xunit;

namespace Tandem.Tests;

/// <summary>Shapes count their elements without overflow.</summary>
public class ShapeTests
{
    [Fact]
    public void CountsAndPrints()
    {
        var shape = new Shape(2, 3, 4);
        Assert.Equal(24, shape.Count);
        Assert.Equal(3, shape.Rank);
        Assert.Equal(4, shape[-1]);
        Assert.Equal("[2, 3, 4]", shape.ToString());
        Assert.Equal(48, shape.Bytes(DType.BF16));
        Assert.Equal(new Shape(2, 3, 4), shape);
        Assert.NotEqual(new Shape(2, 3), shape);
        Assert.Equal(0, new Shape(3, 0).Count);
    }

    [Fact]
    public void AScalarHasOneElement()
    {
        Assert.Equal(1, default(Shape).Count);
        Assert.Equal(1, new Shape().Count);
        Assert.Equal(default, new Shape());
        Assert.Equal("[]", default(Shape).ToString());
    }

    [Fact]
    public void ImpossibleShapesAreRefused()
    {
        Assert.Contains("[2, -1]", Assert.Throws<TandemException>(() => new Shape(2, -1)).Message, StringComparison.Ordinal);
        Assert.Throws<TandemException>(() => new Shape(1L << 32, 1L << 32));
        Assert.Throws<TandemException>(() => new Shape(0, 1L << 32, 1L << 32));
        Assert.Throws<TandemException>(() => new Shape(1L << 61).Bytes(DType.F64));
        Assert.Equal(1L << 62, new Shape(1L << 31, 1L << 31).Count);
    }
}
