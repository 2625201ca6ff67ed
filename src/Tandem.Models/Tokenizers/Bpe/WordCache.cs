using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Tandem.Models;

/// <summary>
/// Ids of words that were encoded before: a table of fixed size, a cache line a word, that newer words overwrite. Nothing is allocated after it is made.
/// Many threads share it without locks: a slot's version is odd while it is written, and a reader that sees it change has found nothing.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Most UTF-16 units of a word that is kept.</summary>
    public const int MaxUnits = 16;

    /// <summary>Most ids of a word that is kept; <see cref="TryGet"/> writes as many in any case.</summary>
    public const int MaxIds = 6;

    private const int SlotBytes = 64, MinSlots = 1 << 10, MaxSlots = 1 << 16;

    private static readonly Vector256<ushort> Places = Vector256<ushort>.Indices;

    // Pinned, so that slots stay on the borders of cache lines.
    private readonly byte[] _memory;
    private readonly nint _first;
    private readonly int _mask;

    /// <summary>Makes a cache for a vocabulary of that size.</summary>
    public unsafe WordCache(int vocabSize)
    {
        int slots = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(vocabSize, MinSlots, MaxSlots));
        _mask = slots - 1;
        _memory = GC.AllocateArray<byte>((slots + 1) * SlotBytes, pinned: true);
        nint address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_memory));
        _first = (SlotBytes - (address & (SlotBytes - 1))) & (SlotBytes - 1);
    }

    /// <summary>Writes the ids of a word of the text to <paramref name="ids"/>, which has room for <see cref="MaxIds"/>, if they are known.</summary>
    /// <param name="text">The text.</param>
    /// <param name="start">Where the word starts.</param>
    /// <param name="length">Its length, <see cref="MaxUnits"/> at most.</param>
    /// <param name="ids">Where the ids go.</param>
    /// <param name="count">How many there are.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryGet(ReadOnlySpan<char> text, int start, int length, ref int ids, out int count)
    {
        Vector256<ushort> word = Load(text, start, length);
        ref Slot slot = ref At(Hash(word, length));
        int version = Volatile.Read(ref slot.Version);
        Vector256<ushort> known = slot.Word;
        int shape = slot.Shape;
        (ulong a, ulong b, ulong c) = (slot.Ids01, slot.Ids23, slot.Ids45);
        Volatile.ReadBarrier();
        count = shape >> 8;
        if (known != word || (shape & 0xFF) != length || (version & 1) != 0 || slot.Version != version) return false;
        ref byte target = ref Unsafe.As<int, byte>(ref ids);
        Unsafe.WriteUnaligned(ref target, a);
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref target, 8), b);
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref target, 16), c);
        return true;
    }

    /// <summary>Keeps the ids of a word, at most <see cref="MaxIds"/>, in place of another word if need be.</summary>
    public void Add(ReadOnlySpan<char> text, int start, int length, ReadOnlySpan<int> ids)
    {
        Vector256<ushort> word = Load(text, start, length);
        Span<int> padded = stackalloc int[MaxIds];
        padded.Clear();
        ids.CopyTo(padded);
        ref Slot slot = ref At(Hash(word, length));
        int version = Volatile.Read(ref slot.Version);
        if ((version & 1) != 0 || Interlocked.CompareExchange(ref slot.Version, version + 1, version) != version) return;
        slot.Word = word;
        slot.Shape = (ids.Length << 8) | length;
        ReadOnlySpan<ulong> pairs = MemoryMarshal.Cast<int, ulong>(padded);
        (slot.Ids01, slot.Ids23, slot.Ids45) = (pairs[0], pairs[1], pairs[2]);
        Volatile.Write(ref slot.Version, version + 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Load(ReadOnlySpan<char> text, int start, int length)
    {
        Vector256<ushort> units = start + MaxUnits <= text.Length
            ? Vector256.LoadUnsafe(ref Unsafe.As<char, ushort>(ref MemoryMarshal.GetReference(text)), (nuint)start)
            : LoadTail(text[start..]);
        return units & Vector256.LessThan(Places, Vector256.Create((ushort)length));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Vector256<ushort> LoadTail(ReadOnlySpan<char> tail)
    {
        Span<char> units = stackalloc char[MaxUnits];
        units.Clear();
        tail.CopyTo(units);
        return Vector256.Create(MemoryMarshal.Cast<char, ushort>(units));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Hash(Vector256<ushort> word, int length)
    {
        Vector256<ulong> parts = word.AsUInt64();
        return (uint)Fold(Fold(parts[0] ^ 0x9E3779B97F4A7C15, parts[1] ^ 0xD6E8FEB86659FD93) ^ parts[2], parts[3] ^ 0xA0761D6478BD642F ^ (uint)length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return high ^ low;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Slot At(uint hash) =>
        ref Unsafe.As<byte, Slot>(ref Unsafe.AddByteOffset(ref MemoryMarshal.GetArrayDataReference(_memory), _first + ((nint)(hash & (uint)_mask) * SlotBytes)));

    [StructLayout(LayoutKind.Sequential, Size = SlotBytes)]
    private struct Slot
    {
        public Vector256<ushort> Word;
        public ulong Ids01, Ids23, Ids45;
        public int Version;

        // The number of ids above eight bits of the word's length; 0 in an empty slot, which no word has.
        public int Shape;
    }
}
