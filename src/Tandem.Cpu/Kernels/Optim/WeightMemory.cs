using System.Runtime.CompilerServices;

namespace Tandem.Cpu;

/// <summary>
/// A weight as its update sees it: f32; or an f32 master copy with the rounded weight beside it; or bf16 alone, rounded stochastically,
/// element i with the low 16 bits of word i of a stream.
/// </summary>
internal readonly unsafe struct WeightMemory
{
    private readonly DType _type;
    private readonly PhiloxStream _random;

    /// <summary>Binds the memory of a weight and of its master copy (null: none).</summary>
    public WeightMemory(DType type, float* weight, float* master, PhiloxStream random = default)
    {
        _type = type;
        Exact = type == DType.F32 ? weight : master;
        Narrow = type == DType.F32 ? null : (ushort*)weight;
        _random = random;
    }

    /// <summary>The f32 numbers that are updated, or null for a weight without a master copy.</summary>
    public float* Exact { get; }

    /// <summary>The rounded weight, or null.</summary>
    public ushort* Narrow { get; }

    /// <summary>What <see cref="Narrow"/> holds.</summary>
    public ShadowType ShadowType => Narrow == null ? ShadowType.None : _type == DType.BF16 ? ShadowType.BF16 : ShadowType.F16;

    /// <summary>The number before the update.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Load(long place) => Exact != null ? Exact[place] : StoredBF16.Load(Narrow + place);

    /// <summary>Stores the number after the update; <paramref name="element"/> is its row-major number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(long place, long element, float value)
    {
        if (Exact == null)
        {
            Narrow[place] = BFloat16.FromSingleStochastic(value, (ushort)_random.UInt32((ulong)element)).Bits;
            return;
        }

        Exact[place] = value;
        if (Narrow == null) return;
        if (_type == DType.BF16) StoredBF16.Store(value, Narrow + place);
        else StoredF16.Store(value, Narrow + place);
    }
}
