using System.Globalization;

namespace Tandem.Models;

/// <summary>Takes marks away, all of them or only those that take no space of their own. Letters that are one character with their mark keep it.</summary>
internal sealed class StripAccentsNormalizer(bool onlyNonspacing) : CharacterNormalizer
{
    /// <inheritdoc/>
    protected override int Map(int codePoint) => codePoint < 0x300 ? codePoint : CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
    {
        UnicodeCategory.NonSpacingMark => Removed,
        UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark when !onlyNonspacing => Removed,
        _ => codePoint,
    };
}
