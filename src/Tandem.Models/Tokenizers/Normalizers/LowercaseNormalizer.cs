using System.Buffers;
using System.Text;

namespace Tandem.Models;

/// <summary>Lower case, character by character and without regard to language; U+0130 becomes i with a dot above, as its full mapping says.</summary>
internal sealed class LowercaseNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        var built = new AlignedTextBuilder(text.Text.Length);
        for (int at = 0; at < text.Text.Length;)
        {
            OperationStatus status = Rune.DecodeFromUtf16(text.Text[at..], out Rune rune, out int length);
            int start = text.StartOf(at), end = text.EndOf(at + length - 1);
            if (status != OperationStatus.Done)
            {
                built.Append(text.Slice(at, length));
            }
            else if (rune.Value == 0x130)
            {
                built.Append('i', start, end);
                built.Append(0x307, start, end);
            }
            else
            {
                built.Append(Rune.ToLowerInvariant(rune).Value, start, end);
            }

            at += length;
        }

        return built.Build();
    }
}
