using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Tandem;

/// <summary>
/// What block types have in common when they are expanded: sixteen codes at a time become floats, by one product (and one sum), each rounded by itself, so that the
/// bits are those of the scalar formula on every processor.
/// </summary>
internal static class BlockVectors
{
    /// <summary>The binary16 at an offset of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(ReadOnlySpan<byte> block, int offset) => Conversions.WidenHalf(BinaryPrimitives.ReadUInt16LittleEndian(block[offset..]));

    /// <summary>Sixteen bytes at an offset of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Bytes16(ReadOnlySpan<byte> block, int offset) => Vector128.Create(block.Slice(offset, 16));

    /// <summary>The lower four bits of each byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LowNibbles(Vector128<byte> bytes) => bytes & Vector128.Create((byte)0x0F);

    /// <summary>The upper four bits of each byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> HighNibbles(Vector128<byte> bytes) => bytes >>> 4;

    /// <summary>Two bits of each byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> BitPairs(Vector128<byte> bytes, int shift) => (bytes >>> shift) & Vector128.Create((byte)3);

    /// <summary>Sixteen bits as sixteen bytes, each <paramref name="value"/> where its bit (lowest first) is 1, else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> SpreadBits(int bits, byte value)
    {
        Vector128<byte> mask = Vector128.Create(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        Vector128<byte> bytes = Vector128.Shuffle(Vector128.CreateScalar((ushort)bits).AsByte(), Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        return Vector128.Equals(bytes & mask, mask) & Vector128.Create(value);
    }

    /// <summary>to[i] = scale * codes[i] for sixteen codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale16(Vector128<sbyte> codes, float scale, Span<float> to)
    {
        (Vector256<float> low, Vector256<float> high) = Floats(codes);
        Vector256<float> s = Vector256.Create(scale);
        (low * s).CopyTo(to);
        (high * s).CopyTo(to[8..]);
    }

    /// <summary>to[i] = scale * codes[i] + offset for sixteen codes below 128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Affine16(Vector128<byte> codes, float scale, float offset, Span<float> to)
    {
        (Vector256<float> low, Vector256<float> high) = Floats(codes.AsSByte());
        Vector256<float> s = Vector256.Create(scale), o = Vector256.Create(offset);
        ((low * s) + o).CopyTo(to);
        ((high * s) + o).CopyTo(to[8..]);
    }

    /// <summary>to[i] = scale * codes[i] for the lower eight codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale8(Vector128<sbyte> codes, float scale, Span<float> to) =>
        (Floats8(codes) * Vector256.Create(scale)).CopyTo(to);

    /// <summary>The lower eight codes, each negated where its bit of <paramref name="signs"/> (lowest first) is 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Negate(Vector128<sbyte> codes, int signs)
    {
        Vector128<byte> mask = Vector128.Create(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        Vector128<sbyte> negative = Vector128.Equals(Vector128.Create((byte)signs) & mask, mask).AsSByte();
        return (codes ^ negative) - negative;
    }

    /// <summary>Eight small integers as floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Floats8(Vector128<sbyte> codes) => Vector256.ConvertToSingle(Widen(Vector128.WidenLower(codes)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Low, Vector256<float> High) Floats(Vector128<sbyte> codes)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(codes);
        return (Vector256.ConvertToSingle(Widen(low)), Vector256.ConvertToSingle(Widen(high)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(Vector128<short> values) => Vector256.WidenLower(values.ToVector256Unsafe());
}
