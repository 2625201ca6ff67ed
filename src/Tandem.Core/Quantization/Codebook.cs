namespace Tandem;

/// <summary>
/// The points that groups of values are rounded to in IQ types: a subset of a small lattice, whose members in order of the lattice (the last element is the most
/// significant) have the numbers that blocks store. Which points belong to it is a fact of the format; the resource <c>codebooks.bin</c> holds it as one bit for each
/// point of the lattice, for the six sets one after another.
/// </summary>
internal sealed class Codebook
{
    private static readonly byte[] Sets = Load();

    /// <summary>256 points of eight magnitudes.</summary>
    public static readonly Codebook IQ2_XXS = new(0, 8, [8, 25, 43]);

    /// <summary>512 points of eight magnitudes.</summary>
    public static readonly Codebook IQ2_XS = new(821, 8, [8, 25, 43]);

    /// <summary>1,024 points of eight magnitudes.</summary>
    public static readonly Codebook IQ2_S = new(1642, 8, [8, 25, 43]);

    /// <summary>2,048 points of eight ternary values, for IQ1_S and IQ1_M.</summary>
    public static readonly Codebook IQ1 = new(2463, 8, [-1, 0, 1]);

    /// <summary>256 points of four magnitudes.</summary>
    public static readonly Codebook IQ3_XXS = new(3284, 4, [4, 12, 20, 28, 36, 44, 52, 62]);

    /// <summary>512 points of four magnitudes.</summary>
    public static readonly Codebook IQ3_S = new(3796, 4, [1, 3, 5, 7, 9, 11, 13, 15]);

    private readonly sbyte[] _values;

    private Codebook(int offset, int dim, ReadOnlySpan<sbyte> levels)
    {
        int size = 1;
        for (int j = 0; j < dim; j++) size *= levels.Length;
        ReadOnlySpan<byte> set = Sets.AsSpan(offset, (size + 7) / 8);
        var values = new List<sbyte>();
        for (int point = 0; point < size; point++)
        {
            if ((set[point / 8] >> (point % 8) & 1) == 0) continue;
            for (int j = 0, rest = point; j < dim; j++, rest /= levels.Length) values.Add(levels[rest % levels.Length]);
        }

        Dim = dim;
        _values = [.. values];
    }

    /// <summary>Values of a point.</summary>
    public int Dim { get; }

    /// <summary>How many points there are.</summary>
    public int Count => _values.Length / Dim;

    /// <summary>All points one after another.</summary>
    public ReadOnlySpan<sbyte> Values => _values;

    private static byte[] Load()
    {
        using Stream stream = typeof(Codebook).Assembly.GetManifestResourceStream("codebooks.bin")
            ?? throw new InvalidOperationException("codebooks.bin is not in the assembly: a bug of the build");
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
