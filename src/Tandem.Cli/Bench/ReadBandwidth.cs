using System.Runtime.Intrinsics;

namespace Tandem.Cli.Bench;

/// <summary>Reads memory from end to end with all threads and does nothing else: the limit of whatever streams weights.</summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    /// <summary>Bytes read by one run: far more than any cache.</summary>
    public const long Bytes = 512L << 20;

    private readonly NativeBuffer _memory = new(Bytes);
    private readonly int _threads;
    private Vector256<int> _sink;

    public ReadBandwidth(int threads)
    {
        _threads = threads;
        for (long i = 0; i < Bytes; i += 4096) _memory.Pointer[i] = 1; // an untouched page would be the system's one page of zeros
    }

    /// <summary>Reads everything once.</summary>
    public void Run()
    {
        long part = Bytes / _threads / 256 * 256;
        var others = new Thread[_threads - 1];
        for (int i = 0; i < others.Length; i++)
        {
            byte* start = _memory.Pointer + ((i + 1) * part);
            others[i] = new Thread(() => Read(start, part));
            others[i].Start();
        }

        Read(_memory.Pointer, part);
        foreach (Thread thread in others) thread.Join();
    }

    public void Dispose() => _memory.Dispose();

    private void Read(byte* from, long bytes)
    {
        Vector256<int> a = default, b = default, c = default, d = default;
        for (byte* p = from, end = from + bytes; p < end; p += 256)
        {
            a += Vector256.Load((int*)p) + Vector256.Load((int*)(p + 128));
            b += Vector256.Load((int*)(p + 32)) + Vector256.Load((int*)(p + 160));
            c += Vector256.Load((int*)(p + 64)) + Vector256.Load((int*)(p + 192));
            d += Vector256.Load((int*)(p + 96)) + Vector256.Load((int*)(p + 224));
        }

        lock (this) _sink += a + b + c + d;
    }
}
