namespace Tandem;

/// <summary>How signs are stored beside points of magnitudes.</summary>
internal enum SignRule
{
    /// <summary>Points have signs themselves.</summary>
    InPoints,

    /// <summary>A bit for each value.</summary>
    Free,

    /// <summary>Of each eight values an even number is negative, so that seven bits are enough.</summary>
    Even,
}

/// <summary>What distinguishes the IQ types to their encoder: value = d * Unit * (2 * scale + 1) * point, with its sign.</summary>
/// <param name="Tables">The points; where there are several tables, each sub-block chooses one.</param>
/// <param name="SubBlock">Elements that share an integer scale.</param>
/// <param name="ScaleCount">How many integer scales there are, from 0 up.</param>
/// <param name="Unit">See the formula.</param>
/// <param name="Signs">How signs are stored.</param>
internal sealed record CodebookFormat(PointTable[] Tables, int SubBlock, int ScaleCount, float Unit, SignRule Signs)
{
    public static readonly CodebookFormat IQ2_XXS = new([new(Codebook.IQ2_XXS, 0)], 32, 16, 0.125f, SignRule.Even);

    public static readonly CodebookFormat IQ2_XS = new([new(Codebook.IQ2_XS, 0)], 16, 16, 0.125f, SignRule.Even);

    public static readonly CodebookFormat IQ2_S = new([new(Codebook.IQ2_S, 0)], 16, 16, 0.125f, SignRule.Free);

    public static readonly CodebookFormat IQ3_XXS = new([new(Codebook.IQ3_XXS, 0)], 32, 16, 0.25f, SignRule.Even);

    public static readonly CodebookFormat IQ3_S = new([new(Codebook.IQ3_S, 0)], 32, 16, 1, SignRule.Free);

    /// <summary>A sub-block has one shift: two tables.</summary>
    public static readonly CodebookFormat IQ1_S = new([new(Codebook.IQ1, 0.125f), new(Codebook.IQ1, -0.125f)], 32, 8, 1, SignRule.InPoints);

    /// <summary>Each eight values have their own shift: the points of both, in one table.</summary>
    public static readonly CodebookFormat IQ1_M = new([new(Codebook.IQ1, 0.125f, -0.125f)], 16, 8, 1, SignRule.InPoints);

    /// <summary>Values of a point.</summary>
    public int Dim => Tables[0].Dim;

    /// <summary>Sub-blocks of a block.</summary>
    public int SubBlocks => 256 / SubBlock;
}
