namespace Tandem.Cpu;

/// <summary>A number of rows that is a constant when a kernel is compiled.</summary>
internal interface IRowCount
{
    /// <summary>The number.</summary>
    static abstract int Count { get; }
}

internal readonly struct OneRows : IRowCount
{
    public static int Count => 1;
}

internal readonly struct TwoRows : IRowCount
{
    public static int Count => 2;
}

internal readonly struct ThreeRows : IRowCount
{
    public static int Count => 3;
}

internal readonly struct FourRows : IRowCount
{
    public static int Count => 4;
}

internal readonly struct FiveRows : IRowCount
{
    public static int Count => 5;
}

internal readonly struct SixRows : IRowCount
{
    public static int Count => 6;
}

internal readonly struct SevenRows : IRowCount
{
    public static int Count => 7;
}

internal readonly struct EightRows : IRowCount
{
    public static int Count => 8;
}

internal readonly struct NineRows : IRowCount
{
    public static int Count => 9;
}

internal readonly struct TenRows : IRowCount
{
    public static int Count => 10;
}

internal readonly struct ElevenRows : IRowCount
{
    public static int Count => 11;
}

internal readonly struct TwelveRows : IRowCount
{
    public static int Count => 12;
}

internal readonly struct ThirteenRows : IRowCount
{
    public static int Count => 13;
}

internal readonly struct FourteenRows : IRowCount
{
    public static int Count => 14;
}

internal readonly struct FifteenRows : IRowCount
{
    public static int Count => 15;
}

internal readonly struct SixteenRows : IRowCount
{
    public static int Count => 16;
}
