namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Damage that files may come with.</summary>
internal static class Mutations
{
    /// <summary>Bytes with some changed, cut off, put in or left out.</summary>
    public static byte[] Of(byte[] bytes, Random random)
    {
        bytes = (byte[])bytes.Clone();
        switch (random.Next(4))
        {
            case 0: return bytes[..random.Next(bytes.Length)];
            case 1:
                int at = random.Next(bytes.Length), count = Math.Min(random.Next(1, 20), bytes.Length - at);
                return [.. bytes[..at], .. bytes[(at + count)..]];
            case 2:
                byte[] more = new byte[random.Next(1, 12)];
                random.NextBytes(more);
                at = random.Next(bytes.Length);
                return [.. bytes[..at], .. more, .. bytes[at..]];
            default:
                // Mostly near the start and the end, where lengths and flags are.
                for (int n = random.Next(1, 6); n > 0; n--) bytes[random.Next(3) == 0 ? random.Next(bytes.Length) : random.Next(2) == 0 ? random.Next(Math.Min(200, bytes.Length)) : bytes.Length - 1 - random.Next(Math.Min(200, bytes.Length))] = (byte)random.Next(256);
                return bytes;
        }
    }
}
