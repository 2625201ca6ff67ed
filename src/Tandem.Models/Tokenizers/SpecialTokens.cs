namespace Tandem.Models;

/// <summary>What becomes of a special token's text inside a text that is encoded.</summary>
public enum SpecialTokens
{
    /// <summary>It is text like any other. Added tokens that are not special are still found.</summary>
    AsText,

    /// <summary>It becomes the token.</summary>
    Parse,

    /// <summary>It is refused.</summary>
    Forbid,
}
