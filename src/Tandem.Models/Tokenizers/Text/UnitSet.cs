using System.Runtime.CompilerServices;

namespace Tandem.Models;

/// <summary>A set of UTF-16 units as bits, a page of 256 at a time, each made when a unit of it is first asked for.</summary>
/// <param name="has">Whether a unit is in the set.</param>
internal sealed class UnitSet(Func<char, bool> has)
{
    private const int PageUnits = 256, Bits = 64;

    private readonly ulong[]?[] _pages = new ulong[]?[(char.MaxValue + 1) / PageUnits];

    /// <summary>Whether a unit is in the set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Has(char unit)
    {
        ulong[] page = _pages[unit / PageUnits] ?? Make(unit / PageUnits);
        return (page[unit % PageUnits / Bits] >> unit & 1) != 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private ulong[] Make(int page)
    {
        var bits = new ulong[PageUnits / Bits];
        for (int i = 0; i < PageUnits; i++)
            if (has((char)((page * PageUnits) + i))) bits[i / Bits] |= 1ul << i;

        // Several threads may make the same page; any of them will do.
        Volatile.Write(ref _pages[page], bits);
        return bits;
    }
}
