namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>
/// GGUF's goldens: blocks, quantizers, codebooks, whole models, recipes of types, files that are broken in some way (safetensors among them). Which a folder has is told by its files, so that any subfolder can be
/// run by itself.
/// </summary>
internal static class GgufCases
{
    /// <summary>Runs all cases of a folder and its subfolders.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        folder = context.OverShared(folder);
        if (SafetensorsCases.Has(folder)) SafetensorsCases.Run(folder, context);
        else if (MalformedCases.Has(folder)) MalformedCases.Run(folder, context);
        else if (GgufModelCases.Has(folder)) GgufModelCases.Run(folder, context);
        else if (folder.Has("bars.json")) QuantizerCases.RunBars(folder, context);
        if (folder.Has("tables.safetensors")) CodebookCases.Run(folder, context);
        if (PresetCases.Has(folder)) PresetCases.Run(folder, context);
        if (IsIn(folder, "blocks")) BlockCases.Run(folder, context);
        if (IsIn(folder, "quantize")) QuantizerCases.RunExact(folder, context);
        foreach (CaseFolder sub in folder.Folders) Run(sub, context);
    }

    private static bool IsIn(CaseFolder folder, string part) => folder.Name.Split('/').Contains(part);
}
