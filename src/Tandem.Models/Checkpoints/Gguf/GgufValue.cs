using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Tandem.Models;

/// <summary>Types of metadata values, by their numbers in files.</summary>
public enum GgufValueType : uint
{
    /// <summary>u8.</summary>
    UInt8,

    /// <summary>i8.</summary>
    Int8,

    /// <summary>u16.</summary>
    UInt16,

    /// <summary>i16.</summary>
    Int16,

    /// <summary>u32.</summary>
    UInt32,

    /// <summary>i32.</summary>
    Int32,

    /// <summary>f32.</summary>
    Float32,

    /// <summary>A byte, 0 or 1.</summary>
    Bool,

    /// <summary>UTF-8.</summary>
    String,

    /// <summary>Values of one type.</summary>
    Array,

    /// <summary>u64.</summary>
    UInt64,

    /// <summary>i64.</summary>
    Int64,

    /// <summary>f64.</summary>
    Float64,
}

/// <summary>A metadata value: a number, a truth value, a string, or an array of one of them.</summary>
public sealed class GgufValue
{
    private const int PieceElements = 1 << 20;

    private GgufValue(GgufValueType type, GgufValueType elementType, object content)
    {
        Type = type;
        ElementType = elementType;
        Content = content;
    }

    /// <summary>The type.</summary>
    public GgufValueType Type { get; }

    /// <summary>The type of an array's elements; else <see cref="Type"/>.</summary>
    public GgufValueType ElementType { get; }

    /// <summary>bool, string, long, ulong or double; of an array bool[], string[], long[], ulong[] or double[].</summary>
    internal object Content { get; }

    /// <inheritdoc/>
    public override string ToString() => Content switch
    {
        Array array => $"{array.Length} values of {ElementType}",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        bool truth => truth ? "true" : "false",
        _ => CheckpointException.Quote((string)Content),
    };

    /// <summary>The value with an array's first elements, and the beginning of a long text.</summary>
    /// <param name="elements">Elements that are shown at the most.</param>
    /// <param name="characters">Characters of a text that are shown at the most.</param>
    public string ToString(int elements, int characters)
    {
        if (Content is string text) return Shortened(text, characters);
        if (Content is not Array array) return Number(Content);
        string[] shown = [.. array.Cast<object>().Take(elements).Select(e => e is string s ? CheckpointException.Quote(Shortened(s, characters)) : Number(e))];
        return $"[{string.Join(", ", shown)}{(array.Length > shown.Length ? $", ... {array.Length:N0} in all" : "")}]";
    }

    /// <summary>A string.</summary>
    public static GgufValue Of(string value) => new(GgufValueType.String, GgufValueType.String, value);

    /// <summary>A truth value.</summary>
    public static GgufValue Of(bool value) => new(GgufValueType.Bool, GgufValueType.Bool, value);

    /// <summary>A u32, as sizes and token ids are stored.</summary>
    public static GgufValue Of(uint value) => new(GgufValueType.UInt32, GgufValueType.UInt32, (ulong)value);

    /// <summary>An f32.</summary>
    public static GgufValue Of(float value) => new(GgufValueType.Float32, GgufValueType.Float32, (double)value);

    /// <summary>An array of strings.</summary>
    public static GgufValue Of(IEnumerable<string> values) => new(GgufValueType.Array, GgufValueType.String, values.ToArray());

    /// <summary>An array of i32, as types of tokens are stored.</summary>
    public static GgufValue Of(IEnumerable<int> values) => new(GgufValueType.Array, GgufValueType.Int32, values.Select(v => (long)v).ToArray());

    /// <summary>An array of f32, as scores of tokens are stored.</summary>
    public static GgufValue Of(IEnumerable<float> values) => new(GgufValueType.Array, GgufValueType.Float32, values.Select(v => (double)v).ToArray());

    /// <summary>Writes the value with its type before it.</summary>
    internal void Write(BinaryWriter writer)
    {
        writer.Write((uint)Type);
        if (Content is not Array array)
        {
            WriteScalar(writer, Type, Content);
            return;
        }

        writer.Write((uint)ElementType);
        writer.Write((ulong)array.Length);
        foreach (object element in array) WriteScalar(writer, ElementType, element);
    }

    /// <summary>Writes a string with its length before it.</summary>
    internal static void WriteString(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    /// <summary>Reads a value with its type before it.</summary>
    internal static GgufValue Read(GgufCursor cursor, string key)
    {
        GgufValueType type = ReadType(cursor, key);
        if (type != GgufValueType.Array) return new GgufValue(type, type, Scalar(cursor, type, key));
        GgufValueType element = ReadType(cursor, key);
        if (element == GgufValueType.Array) throw cursor.Fail(GgufError.BadValue, $"{CheckpointException.Quote(key)} is an array of arrays; accepted: arrays of numbers, truth values or strings");
        int count = cursor.Count(new GgufPlace("elements", key), element == GgufValueType.String ? 8 : Size(element), GgufError.ArrayTooLarge);
        return new GgufValue(type, element, Elements(cursor, element, key, count));
    }

    // The shortest text that means the same f32.
    private string Number(object value) => value is double real && ElementType == GgufValueType.Float32
        ? ((float)real).ToString(CultureInfo.InvariantCulture)
        : value is bool truth ? (truth ? "true" : "false") : Convert.ToString(value, CultureInfo.InvariantCulture)!;

    private static string Shortened(string text, int characters) => text.Length <= characters ? text : text[..characters] + "...";

    private static GgufValueType ReadType(GgufCursor cursor, string key)
    {
        uint number = cursor.UInt32(new GgufPlace("the type", key));
        return number <= (uint)GgufValueType.Float64
            ? (GgufValueType)number
            : throw cursor.Fail(GgufError.UnknownValueType, $"{CheckpointException.Quote(key)} has value type {number}; accepted: 0 to {(uint)GgufValueType.Float64}");
    }

    private static object Elements(GgufCursor cursor, GgufValueType type, string key, int count) => type switch
    {
        GgufValueType.String => Texts(cursor, key, count),
        GgufValueType.Bool => Truths(cursor, key, count),
        GgufValueType.UInt8 => Widened<byte, ulong>(cursor, key, count),
        GgufValueType.UInt16 => Widened<ushort, ulong>(cursor, key, count),
        GgufValueType.UInt32 => Widened<uint, ulong>(cursor, key, count),
        GgufValueType.UInt64 => Widened<ulong, ulong>(cursor, key, count),
        GgufValueType.Int8 => Widened<sbyte, long>(cursor, key, count),
        GgufValueType.Int16 => Widened<short, long>(cursor, key, count),
        GgufValueType.Int32 => Widened<int, long>(cursor, key, count),
        GgufValueType.Int64 => Widened<long, long>(cursor, key, count),
        GgufValueType.Float32 => Widened<float, double>(cursor, key, count),
        _ => Widened<double, double>(cursor, key, count),
    };

    private static string[] Texts(GgufCursor cursor, string key, int count)
    {
        var values = new string[count];
        for (int i = 0; i < count; i++) values[i] = cursor.String(new GgufPlace("element", key, i));
        return values;
    }

    private static bool[] Truths(GgufCursor cursor, string key, int count)
    {
        var values = new bool[count];
        for (int i = 0; i < count; i++) values[i] = Truth(cursor, new GgufPlace("element", key, i));
        return values;
    }

    // Not one by one: boxed, an array of bytes would take 32 times its size.
    private static TWide[] Widened<T, TWide>(GgufCursor cursor, string key, int count)
        where T : unmanaged, INumber<T>
        where TWide : unmanaged, INumber<TWide>
    {
        var values = new TWide[count];
        for (int first = 0; first < count; first += PieceElements)
        {
            int piece = Math.Min(PieceElements, count - first);
            ReadOnlySpan<T> stored = MemoryMarshal.Cast<byte, T>(cursor.Bytes(piece * Unsafe.SizeOf<T>(), new GgufPlace("elements", key)));
            for (int i = 0; i < piece; i++) values[first + i] = TWide.CreateTruncating(stored[i]);
        }

        return values;
    }

    private static object Scalar(GgufCursor cursor, GgufValueType type, string key)
    {
        var place = new GgufPlace("the value", key);
        switch (type)
        {
            case GgufValueType.UInt8: return (ulong)cursor.Byte(place);
            case GgufValueType.Int8: return (long)(sbyte)cursor.Byte(place);
            case GgufValueType.UInt16: return (ulong)cursor.UInt16(place);
            case GgufValueType.Int16: return (long)(short)cursor.UInt16(place);
            case GgufValueType.UInt32: return (ulong)cursor.UInt32(place);
            case GgufValueType.Int32: return (long)(int)cursor.UInt32(place);
            case GgufValueType.UInt64: return cursor.UInt64(place);
            case GgufValueType.Int64: return (long)cursor.UInt64(place);
            case GgufValueType.Float32: return (double)BinaryPrimitives.ReadSingleLittleEndian(cursor.Bytes(4, place));
            case GgufValueType.Float64: return BinaryPrimitives.ReadDoubleLittleEndian(cursor.Bytes(8, place));
            case GgufValueType.String: return cursor.String(place);
            default: return Truth(cursor, place);
        }
    }

    private static bool Truth(GgufCursor cursor, GgufPlace place)
    {
        byte truth = cursor.Byte(place);
        return truth <= 1 ? truth == 1 : throw cursor.Fail(GgufError.BadValue, $"{place} is the truth value {truth}; accepted: 0, 1");
    }

    private static void WriteScalar(BinaryWriter writer, GgufValueType type, object value)
    {
        switch (type)
        {
            case GgufValueType.UInt8: writer.Write((byte)(ulong)value); break;
            case GgufValueType.Int8: writer.Write((sbyte)(long)value); break;
            case GgufValueType.UInt16: writer.Write((ushort)(ulong)value); break;
            case GgufValueType.Int16: writer.Write((short)(long)value); break;
            case GgufValueType.UInt32: writer.Write((uint)(ulong)value); break;
            case GgufValueType.Int32: writer.Write((int)(long)value); break;
            case GgufValueType.UInt64: writer.Write((ulong)value); break;
            case GgufValueType.Int64: writer.Write((long)value); break;
            case GgufValueType.Float32: writer.Write((float)(double)value); break;
            case GgufValueType.Float64: writer.Write((double)value); break;
            case GgufValueType.String: WriteString(writer, (string)value); break;
            default: writer.Write((bool)value); break;
        }
    }

    private static int Size(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        _ => 8,
    };
}
