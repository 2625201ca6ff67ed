using System.Buffers;
using System.Text;

namespace Tandem.Models;

/// <summary>
/// Turns tokens into text one by one: bytes of a character that is not complete yet are held back, each maximal ill-formed part becomes U+FFFD.
/// With a decoder over bytes a token costs no allocation unless it makes text.
/// </summary>
public sealed class TokenDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecial;
    private readonly StringBuilder _shown = new();
    private DecoderRun? _run;
    private byte[] _bytes = new byte[64];
    private char[] _text = new char[64];
    private int _held;

    /// <summary>Starts on a text.</summary>
    /// <param name="tokenizer">Whose tokens they are.</param>
    /// <param name="skipSpecial">Whether special tokens are left out.</param>
    public TokenDecoder(Tokenizer tokenizer, bool skipSpecial = true)
    {
        (_tokenizer, _skipSpecial) = (tokenizer, skipSpecial);
        if (!tokenizer.Parts.Decoder.IsBytes) Restart();
    }

    /// <summary>The text that becomes printable with this token; empty if all of it is held back.</summary>
    /// <exception cref="TandemException">The id is beyond the vocabulary.</exception>
    public string Append(int id) => AppendSpan(id).ToString();

    /// <summary>As <see cref="Append"/>, without a string: the text is valid until the next call.</summary>
    public ReadOnlySpan<char> AppendSpan(int id)
    {
        ReadOnlySpan<byte> bytes = _tokenizer.Bytes(id);
        if (_skipSpecial && _tokenizer.IsSpecial(id)) return default;
        if (_run != null)
        {
            if (_tokenizer.DecodedToken(id) is { } token) _run.Push(token, begins: true);
            return TakeShown();
        }

        if (_held == 0)
        {
            if (_text.Length < bytes.Length) _text = new char[2 * bytes.Length];
            if (Ascii.ToUtf16(bytes, _text, out int length) == OperationStatus.Done) return _text.AsSpan(0, length);
        }

        if (_held + bytes.Length > _bytes.Length) Array.Resize(ref _bytes, 2 * (_held + bytes.Length));
        bytes.CopyTo(_bytes.AsSpan(_held));
        _held += bytes.Length;
        return Take(complete: false);
    }

    /// <summary>What was held back, an incomplete character as U+FFFD. Tokens after it begin a new text.</summary>
    public string Flush()
    {
        if (_run == null) return Take(complete: true).ToString();
        _run.End();
        Restart();
        return TakeShown().ToString();
    }

    private void Restart() => _run = _tokenizer.Parts.Decoder.Start(new TextRun(_shown), parts: true, streaming: true);

    private ReadOnlySpan<char> TakeShown()
    {
        int length = _shown.Length;
        if (_text.Length < length) _text = new char[2 * length];
        _shown.CopyTo(0, _text, length);
        _shown.Clear();
        return _text.AsSpan(0, length);
    }

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
