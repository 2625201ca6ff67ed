namespace Tandem.Cli.Bench;

/// <summary>Numbers to compute with, drawn straight into memory: what they are hardly matters, that they are not all zero does.</summary>
internal static unsafe class RandomFill
{
    /// <summary>Fills memory with uniform numbers in [-scale, scale).</summary>
    public static void Fill(DType type, byte* memory, long count, float scale = 1, uint seed = 1)
    {
        uint state = seed;
        for (long i = 0; i < count; i++)
        {
            state = (state * 1664525) + 1013904223;
            float value = (int)state * (scale / 2147483648f);
            if (type == DType.F32) ((float*)memory)[i] = value;
            else if (type == DType.BF16) ((BFloat16*)memory)[i] = BFloat16.FromSingle(value);
            else if (type == DType.F16) ((Half*)memory)[i] = (Half)value;
            else throw new ArgumentOutOfRangeException(nameof(type), type, "wanted a type of weights");
        }
    }

    /// <summary>Token ids below a vocabulary's size.</summary>
    public static int[] Tokens(int count, int vocabulary, uint seed = 1)
    {
        var tokens = new int[count];
        uint state = seed;
        for (int i = 0; i < count; i++)
        {
            state = (state * 1664525) + 1013904223;
            tokens[i] = (int)((ulong)state * (uint)vocabulary >> 32);
        }

        return tokens;
    }
}
