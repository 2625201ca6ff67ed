namespace Tandem.Models;

/// <summary>The printable character that stands for each byte in byte-level vocabularies (Radford et al., 2019): printable Latin-1 stands for itself, the rest from U+0100 on.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] ToChar = Build();
    private static readonly Dictionary<char, byte> ToByte = ToChar.Select((c, b) => (c, b)).ToDictionary(x => x.c, x => (byte)x.b);

    /// <summary>All 256 characters, by byte.</summary>
    public static IReadOnlyList<char> Characters => ToChar;

    /// <summary>The character of a byte.</summary>
    public static char Character(byte b) => ToChar[b];

    /// <summary>The byte of a character.</summary>
    public static bool TryByte(char c, out byte b) => ToByte.TryGetValue(c, out b);

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
}
