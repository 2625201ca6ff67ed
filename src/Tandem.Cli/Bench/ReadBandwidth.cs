using System.Runtime.Intrinsics;

namespace Tandem.Cli.Bench;

/// <summary>Reads memory from end to end with all threads and does nothing else: the limit of whatever streams weights.</summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    /// <summary>Bytes read by one run: far more than any cache.</summary>
    public const long Bytes = 512L << 20;

    private readonly NativeBuffer _memory = new(Bytes);
    private readonly int _threads;
    private readonly Lock _others = new();
    private Vector256<int> _sink;

    public ReadBandwidth(int threads)
    {
        _threads = threads;
        for (long i = 0; i < Bytes; i += 4096) _memory.Pointer[i] = 1; // an untouched page would be the system's one page of zeros
    }

    /// <summary>Reads everything once, each thread its part from end to end.</summary>
    public void RunSequential() => Run(&ReadSequential);

    /// <summary>Reads everything once, each thread four places of its part in turn: which of the two is faster depends on the machine and its pages.</summary>
    public void RunFourStreams() => Run(&ReadFourStreams);

    public void Dispose() => _memory.Dispose();

    private static Vector256<int> ReadSequential(byte* from, long bytes)
    {
        Vector256<int> a = default, b = default, c = default, d = default;
        for (byte* p = from, end = from + bytes; p < end; p += 256)
        {
            a += Vector256.Load((int*)p) + Vector256.Load((int*)(p + 128));
            b += Vector256.Load((int*)(p + 32)) + Vector256.Load((int*)(p + 160));
            c += Vector256.Load((int*)(p + 64)) + Vector256.Load((int*)(p + 192));
            d += Vector256.Load((int*)(p + 96)) + Vector256.Load((int*)(p + 224));
        }

        return a + b + c + d;
    }

    private static Vector256<int> ReadFourStreams(byte* from, long bytes)
    {
        Vector256<int> a = default, b = default, c = default, d = default;
        long quarter = bytes / 4;
        byte* p1 = from + quarter, p2 = p1 + quarter, p3 = p2 + quarter;
        for (long i = 0; i < quarter; i += 64)
        {
            a += Vector256.Load((int*)(from + i)) + Vector256.Load((int*)(from + i + 32));
            b += Vector256.Load((int*)(p1 + i)) + Vector256.Load((int*)(p1 + i + 32));
            c += Vector256.Load((int*)(p2 + i)) + Vector256.Load((int*)(p2 + i + 32));
            d += Vector256.Load((int*)(p3 + i)) + Vector256.Load((int*)(p3 + i + 32));
        }

        return a + b + c + d;
    }

    private void Run(delegate*<byte*, long, Vector256<int>> read)
    {
        long part = Bytes / _threads / 256 * 256;
        var others = new Thread[_threads - 1];
        for (int i = 0; i < others.Length; i++)
        {
            byte* start = _memory.Pointer + ((i + 1) * part);
            others[i] = new Thread(() => Keep(read(start, part)));
            others[i].Start();
        }

        Keep(read(_memory.Pointer, part));
        foreach (Thread thread in others) thread.Join();
    }

    // So that nobody finds the reading to be without effect.
    private void Keep(Vector256<int> sum)
    {
        lock (_others) _sink += sum;
    }
}
