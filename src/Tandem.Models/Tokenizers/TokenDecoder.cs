using System.Buffers;
using System.Text;

namespace Tandem.Models;

/// <summary>Turns tokens into text one by one, holding back the bytes of a character that is not complete yet.</summary>
public sealed class TokenDecoder(Tokenizer tokenizer, bool skipSpecial = true)
{
    private readonly List<byte> _pending = [];

    /// <summary>The text that becomes printable with this token; empty if all of it is held back.</summary>
    public string Append(int id)
    {
        if (!(skipSpecial && tokenizer.Special.ContainsKey(id))) tokenizer.AppendBytes(id, _pending);
        return Take(complete: false);
    }

    /// <summary>What was held back, an incomplete character as U+FFFD.</summary>
    public string Flush() => Take(complete: true);

    private string Take(bool complete)
    {
        ReadOnlySpan<byte> bytes = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_pending);
        var text = new StringBuilder();
        while (!bytes.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used);
            if (status == OperationStatus.NeedMoreData && !complete) break;
            text.Append(rune.ToString());
            bytes = bytes[used..];
        }

        _pending.RemoveRange(0, _pending.Count - bytes.Length);
        return text.ToString();
    }
}
