namespace Tandem.Cpu;

/// <summary>One row of dropout: y[c] = x[c] * scale where word c of the row's stream is at least the threshold, else 0. y may be x.</summary>
internal static unsafe class DropoutKernel
{
    private const int Chunk = 256;

    internal static void Apply(PhiloxStream stream, uint threshold, float scale, int n, float* x, float* y)
    {
        Span<uint> words = stackalloc uint[Chunk];
        for (int first = 0; first < n; first += Chunk)
        {
            int count = Math.Min(Chunk, n - first);
            stream.FillUInt32(words[..count], (ulong)first);
            for (int i = 0; i < count; i++) y[first + i] = words[i] >= threshold ? x[first + i] * scale : 0f;
        }
    }

    /// <summary>Twin of <see cref="Apply"/>, word by word.</summary>
    internal static void ApplyScalar(PhiloxStream stream, uint threshold, float scale, int n, float* x, float* y)
    {
        for (int c = 0; c < n; c++) y[c] = stream.UInt32((ulong)c) >= threshold ? x[c] * scale : 0f;
    }
}
