using System.Buffers;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Turns tokens into text one by one: bytes of a character that is not complete yet are held back, each maximal ill-formed part becomes U+FFFD.
/// A token costs no allocation unless it makes text.
/// </summary>
public sealed class TokenDecoder(Tokenizer tokenizer, bool skipSpecial = true)
{
    private byte[] _bytes = new byte[64];
    private char[] _text = new char[64];
    private int _held;

    /// <summary>The text that becomes printable with this token; empty if all of it is held back.</summary>
    /// <exception cref="TandemException">The id is beyond the vocabulary.</exception>
    public string Append(int id) => AppendSpan(id).ToString();

    /// <summary>As <see cref="Append"/>, without a string: the text is valid until the next call.</summary>
    public ReadOnlySpan<char> AppendSpan(int id)
    {
        ReadOnlySpan<byte> bytes = tokenizer.Bytes(id);
        if (skipSpecial && tokenizer.IsSpecial(id)) return default;
        if (_held + bytes.Length > _bytes.Length) Array.Resize(ref _bytes, 2 * (_held + bytes.Length));
        bytes.CopyTo(_bytes.AsSpan(_held));
        _held += bytes.Length;
        return Take(complete: false);
    }

    /// <summary>What was held back, an incomplete character as U+FFFD.</summary>
    public string Flush() => Take(complete: true).ToString();

    private ReadOnlySpan<char> Take(bool complete)
    {
        // No byte makes more than one UTF-16 unit.
        if (_text.Length < _held) _text = new char[_bytes.Length];
        ReadOnlySpan<byte> bytes = _bytes.AsSpan(0, _held);
        int length = 0;
        while (!bytes.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used);
            if (status == OperationStatus.NeedMoreData && !complete) break;
            length += rune.EncodeToUtf16(_text.AsSpan(length));
            bytes = bytes[used..];
        }

        bytes.CopyTo(_bytes);
        _held = bytes.Length;
        return _text.AsSpan(0, length);
    }
}
