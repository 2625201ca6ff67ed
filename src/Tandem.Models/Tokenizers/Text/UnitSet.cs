using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>A set of UTF-16 units as bits, a page of 256 at a time, each made when a unit of it is first asked for.</summary>
/// <param name="has">Whether a unit is in the set.</param>
internal sealed class UnitSet(Func<char, bool> has)
{
    private const int PageUnits = 256, Bits = 64, AsciiUnits = 128;

    private readonly ulong[]?[] _pages = new ulong[]?[(char.MaxValue + 1) / PageUnits];

    // ASCII once more, a unit a byte: most text is that.
    private bool[]? _ascii;

    /// <summary>Whether a unit is in the set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Has(char unit)
    {
        if (unit < AsciiUnits) return Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_ascii ?? MakeAscii()), unit);
        ulong[] page = _pages[unit / PageUnits] ?? Make(unit / PageUnits);
        return (page[unit % PageUnits / Bits] >> unit & 1) != 0;
    }

    /// <summary>End of the run of units of the set that starts at <paramref name="at"/>.</summary>
    public int RunEnd(ReadOnlySpan<char> text, int at)
    {
        ref bool ascii = ref MemoryMarshal.GetArrayDataReference(_ascii ?? MakeAscii());
        while ((uint)at < (uint)text.Length && (text[at] < AsciiUnits ? Unsafe.Add(ref ascii, text[at]) : Has(text[at]))) at++;
        return at;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool[] MakeAscii()
    {
        bool[] ascii = [.. Enumerable.Range(0, AsciiUnits).Select(c => has((char)c))];
        Volatile.Write(ref _ascii, ascii);
        return ascii;
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
