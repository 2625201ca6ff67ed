using System.Text;

namespace Tandem.Models;

/// <summary>Each byte of the text's UTF-8 becomes its character of the byte alphabet.</summary>
internal sealed class ByteLevelNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text) => Written(text);

    /// <summary>The bytes of a text in the byte alphabet.</summary>
    public static AlignedText Written(AlignedText text)
    {
        var built = new AlignedTextBuilder(text.Text.Length);
        Span<byte> bytes = stackalloc byte[4];
        for (int at = 0; at < text.Text.Length;)
        {
            // Half a surrogate pair is encoded as U+FFFD.
            Rune.DecodeFromUtf16(text.Text[at..], out Rune rune, out int length);
            foreach (byte b in bytes[..rune.EncodeToUtf8(bytes)]) built.AppendUnit(ByteAlphabet.Characters[b], text.StartOf(at), text.EndOf(at + length - 1));
            at += length;
        }

        return built.Build();
    }
}
