using System.Text;

namespace Tandem.Models;

/// <summary>A part of a decoder at work on one text.</summary>
internal abstract class DecoderRun
{
    /// <summary>Takes a token or, where it does not begin one, more of the last.</summary>
    public abstract void Push(ReadOnlySpan<char> token, bool begins);

    /// <summary>There are no more tokens.</summary>
    public abstract void End();
}

/// <summary>A part that makes one token of each, without regard to what follows.</summary>
internal abstract class MapRun(DecoderRun next) : DecoderRun
{
    private int _index;

    /// <inheritdoc/>
    public override void Push(ReadOnlySpan<char> token, bool begins) => next.Push(Map(token, _index++), begins: true);

    /// <inheritdoc/>
    public override void End() => next.End();

    /// <summary>What the token in place <paramref name="index"/> becomes.</summary>
    protected abstract ReadOnlySpan<char> Map(ReadOnlySpan<char> token, int index);
}

/// <summary>The end of the chain: the text.</summary>
internal sealed class TextRun(StringBuilder text) : DecoderRun
{
    /// <inheritdoc/>
    public override void Push(ReadOnlySpan<char> token, bool begins) => text.Append(token);

    /// <inheritdoc/>
    public override void End()
    {
    }
}
