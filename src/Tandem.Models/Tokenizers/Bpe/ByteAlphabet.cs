using System.Text;

namespace Tandem.Models;

/// <summary>The printable character that stands for each byte in byte-level vocabularies (Radford et al., 2019): printable Latin-1 stands for itself, the rest from U+0100 on.</summary>
internal static class ByteAlphabet
{
    private const int Highest = 0x143;

    private static readonly char[] ToChar = Build();
    private static readonly short[] ToByte = Invert();

    /// <summary>All 256 characters, by byte.</summary>
    public static ReadOnlySpan<char> Characters => ToChar;

    /// <summary>The byte of a character.</summary>
    public static bool TryByte(char c, out byte b)
    {
        short value = c <= Highest ? ToByte[c] : (short)-1;
        b = (byte)value;
        return value >= 0;
    }

    /// <summary>The bytes that a token stands for: those of its characters if all are of the alphabet, else its UTF-8.</summary>
    public static byte[] Bytes(string token)
    {
        var bytes = new byte[token.Length];
        for (int i = 0; i < token.Length; i++)
            if (!TryByte(token[i], out bytes[i])) return Encoding.UTF8.GetBytes(token);
        return bytes;
    }

    private static char[] Build()
    {
        var map = new char[256];
        int next = 256;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            map[b] = printable ? (char)b : (char)next++;
        }

        return map;
    }

    private static short[] Invert()
    {
        var map = new short[Highest + 1];
        Array.Fill(map, (short)-1);
        for (int b = 0; b < 256; b++) map[ToChar[b]] = (short)b;
        return map;
    }
}
