using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Text;

namespace Tandem;

/// <summary>
/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011).
/// A block of four words is a pure function of a 128-bit counter and a 64-bit key: nothing is stored, any element can be computed by itself.
/// </summary>
public static class Philox
{
    /// <summary>The four words of a block. Counter words are little end first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (uint W0, uint W1, uint W2, uint W3) Block(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (var round = 0; round < 10; round++)
        {
            var a = (ulong)c0 * 0xD2511F53;
            var b = (ulong)c2 * 0xCD9E8D57;
            c0 = (uint)(b >> 32) ^ c1 ^ k0;
            c1 = (uint)b;
            c2 = (uint)(a >> 32) ^ c3 ^ k1;
            c3 = (uint)a;
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>
    /// The stream of random numbers named <paramref name="name"/> (a tensor or a logical operation) under <paramref name="seed"/>, further keyed by
    /// <paramref name="ids"/> in order (sample, position, channel, step, ...). The same arguments give the same stream everywhere and forever.
    /// </summary>
    public static PhiloxStream Stream(ulong seed, string name, params ReadOnlySpan<ulong> ids) => Stream(seed, HashName(name), ids);

    /// <summary>The stream with a hash in place of the name, for callers that hash the name once.</summary>
    public static PhiloxStream Stream(ulong seed, ulong nameHash, params ReadOnlySpan<ulong> ids)
    {
        var stream = new PhiloxStream(seed, nameHash);
        foreach (var id in ids)
            stream = stream.With(id);
        return stream;
    }

    /// <summary>The 64-bit hash of a stream's name: XXH3 of its UTF-8 bytes.</summary>
    public static ulong HashName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(name));
    }
}

/// <summary>
/// One stream of random numbers. Element i is a pure function of (seed, stream, i): block i / 4 of the stream, word i mod 4.
/// The methods called with an index do not influence each other; uniforms and normals at the same index use the same words.
/// </summary>
public readonly struct PhiloxStream
{
    private const double TwoPowMinus32 = 1.0 / 4294967296.0;

    internal PhiloxStream(ulong seed, ulong stream)
    {
        Seed = seed;
        StreamId = stream;
    }

    /// <summary>The key.</summary>
    public ulong Seed { get; }

    /// <summary>The upper half of the counter: which stream.</summary>
    public ulong StreamId { get; }

    /// <summary>A stream derived from this one by one more key. The order of keys matters.</summary>
    public PhiloxStream With(ulong id)
    {
        // Another key than that of the numbers, so that a derived stream's id is not one of this stream's words.
        var (w0, w1, _, _) = Philox.Block(
            (uint)id, (uint)(id >> 32), (uint)StreamId, (uint)(StreamId >> 32), (uint)Seed ^ 0x54414E44, (uint)(Seed >> 32) ^ 0x454D3A3A);
        return new(Seed, w0 | ((ulong)w1 << 32));
    }

    /// <summary>32 random bits.</summary>
    public uint UInt32(ulong index)
    {
        var (w0, w1, w2, w3) = Block(index >> 2);
        return (index & 3) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 };
    }

    /// <summary>A uniform float in [0, 1): a multiple of 2^-24.</summary>
    public float Uniform(ulong index) => ToUniform(UInt32(index));

    /// <summary>
    /// A standard normal by Box and Muller: elements 2p and 2p + 1 are r cos(a) and r sin(a) with r = sqrt(-2 ln((w + 1/2) / 2^32)) and a = 2 pi w' / 2^32
    /// from the pair's two words. |value| is at most 6.77.
    /// </summary>
    public float Normal(ulong index)
    {
        var (w0, w1, w2, w3) = Block(index >> 2);
        var (even, odd) = (index & 2) == 0 ? NormalPair(w0, w1) : NormalPair(w2, w3);
        return (index & 1) == 0 ? even : odd;
    }

    /// <summary>Elements <paramref name="firstIndex"/>, <paramref name="firstIndex"/> + 1, ... as 32 random bits each.</summary>
    public void FillUInt32(Span<uint> destination, ulong firstIndex = 0)
    {
        var i = 0;
        for (; i < destination.Length && ((firstIndex + (ulong)i) & 3) != 0; i++)
            destination[i] = UInt32(firstIndex + (ulong)i);
        for (; i + 4 <= destination.Length; i += 4)
            (destination[i], destination[i + 1], destination[i + 2], destination[i + 3]) = Block((firstIndex + (ulong)i) >> 2);
        for (; i < destination.Length; i++)
            destination[i] = UInt32(firstIndex + (ulong)i);
    }

    /// <summary>Elements from <paramref name="firstIndex"/> as uniforms in [<paramref name="low"/>, <paramref name="high"/>): low + u (high - low).</summary>
    public void FillUniform(Span<float> destination, ulong firstIndex = 0, float low = 0, float high = 1)
    {
        Span<uint> words = stackalloc uint[256];
        for (var i = 0; i < destination.Length; i += words.Length)
        {
            var count = Math.Min(words.Length, destination.Length - i);
            FillUInt32(words[..count], firstIndex + (ulong)i);
            for (var j = 0; j < count; j++)
                destination[i + j] = low + ToUniform(words[j]) * (high - low);
        }
    }

    /// <summary>Elements from <paramref name="firstIndex"/> as normals: <paramref name="mean"/> + z * <paramref name="deviation"/>, rounded to f32 after each operation.</summary>
    public void FillNormal(Span<float> destination, ulong firstIndex = 0, float mean = 0, float deviation = 1)
    {
        var i = 0;
        for (; i < destination.Length && ((firstIndex + (ulong)i) & 3) != 0; i++)
            destination[i] = mean + Normal(firstIndex + (ulong)i) * deviation;
        for (; i + 4 <= destination.Length; i += 4)
        {
            var (w0, w1, w2, w3) = Block((firstIndex + (ulong)i) >> 2);
            var (a, b) = NormalPair(w0, w1);
            var (c, d) = NormalPair(w2, w3);
            destination[i] = mean + a * deviation;
            destination[i + 1] = mean + b * deviation;
            destination[i + 2] = mean + c * deviation;
            destination[i + 3] = mean + d * deviation;
        }

        for (; i < destination.Length; i++)
            destination[i] = mean + Normal(firstIndex + (ulong)i) * deviation;
    }

    private static float ToUniform(uint word) => (word >> 8) * (1f / 16777216f);

    private static (float Even, float Odd) NormalPair(uint a, uint b)
    {
        var radius = Math.Sqrt(-2 * PortableMath.Log((a + 0.5) * TwoPowMinus32));
        var (sin, cos) = PortableMath.SinCosTurns(b * TwoPowMinus32);
        return ((float)(radius * cos), (float)(radius * sin));
    }

    private (uint W0, uint W1, uint W2, uint W3) Block(ulong block) => Philox.Block(
        (uint)block, (uint)(block >> 32), (uint)StreamId, (uint)(StreamId >> 32), (uint)Seed, (uint)(Seed >> 32));
}
