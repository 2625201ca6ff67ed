using System.Buffers.Binary;
using System.Text;

namespace Tandem.Models;

/// <summary>How a field of a protocol-buffer message is stored.</summary>
internal enum ProtobufWire
{
    /// <summary>A number of up to ten bytes.</summary>
    Varint = 0,

    /// <summary>Eight bytes.</summary>
    Fixed64 = 1,

    /// <summary>Bytes with their number before them.</summary>
    Bytes = 2,

    /// <summary>Four bytes.</summary>
    Fixed32 = 5,
}

/// <summary>Reads the fields of a protocol-buffer message one after another. Every length is compared with what is left before anything is made of it.</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message, long start = 0)
{
    private const int LongestVarint = 10;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> _message = message;
    private int _at;

    /// <summary>Number of the field that stands next.</summary>
    public int Field { get; private set; }

    /// <summary>How it is stored.</summary>
    public ProtobufWire Wire { get; private set; }

    /// <summary>Goes to the next field; its value must then be read or skipped.</summary>
    public bool Next()
    {
        if (_at == _message.Length) return false;
        ulong tag = Varint();
        Wire = (ProtobufWire)(tag & 7);
        if (tag >> 3 is 0 or > 0x1FFFFFFF) throw Fail($"field number {tag >> 3}, wanted 1 to {0x1FFFFFFF}");
        Field = (int)(tag >> 3);
        return Wire is ProtobufWire.Varint or ProtobufWire.Fixed64 or ProtobufWire.Bytes or ProtobufWire.Fixed32 ? true : throw Fail($"field {Field} has wire type {(int)Wire}, wanted 0, 1, 2 or 5");
    }

    /// <summary>A number that stands as it is.</summary>
    public ulong Number()
    {
        Want(ProtobufWire.Varint);
        return Varint();
    }

    /// <summary>A truth value.</summary>
    public bool Bool() => Number() != 0;

    /// <summary>A whole number of 32 bits, which may be negative.</summary>
    public int Int32() => unchecked((int)Number());

    /// <summary>A number of single precision.</summary>
    public float Float()
    {
        Want(ProtobufWire.Fixed32);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4));
    }

    /// <summary>Bytes, and where they begin.</summary>
    public ReadOnlySpan<byte> Bytes(out long position)
    {
        Want(ProtobufWire.Bytes);
        ulong length = Varint();
        position = start + _at;
        return length <= (ulong)(_message.Length - _at) ? Take((int)length) : throw Fail($"field {Field} has {length:N0} bytes; {_message.Length - _at:N0} are left");
    }

    /// <summary>A text.</summary>
    public string String()
    {
        try
        {
            return Strict.GetString(Bytes(out _));
        }
        catch (DecoderFallbackException)
        {
            throw Fail($"field {Field} is not UTF-8");
        }
    }

    /// <summary>Passes over the value.</summary>
    public void Skip()
    {
        switch (Wire)
        {
            case ProtobufWire.Varint: Varint(); break;
            case ProtobufWire.Fixed64: Take(8); break;
            case ProtobufWire.Fixed32: Take(4); break;
            default: Bytes(out _); break;
        }
    }

    private readonly void Want(ProtobufWire wire)
    {
        if (Wire != wire) throw Fail($"field {Field} has wire type {(int)Wire}, wanted {(int)wire}");
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int i = 0; i < LongestVarint; i++)
        {
            byte b = Take(1)[0];
            if (i == LongestVarint - 1 && b > 1) break;
            value |= (ulong)(b & 0x7F) << (7 * i);
            if (b < 0x80) return value;
        }

        throw Fail($"a number of more than {LongestVarint} bytes or 64 bits");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _message.Length - _at) throw Fail("the message ends within a field");
        _at += count;
        return _message.Slice(_at - count, count);
    }

    private readonly TandemException Fail(string message) => new($"byte {start + _at:N0}: {message}");
}
