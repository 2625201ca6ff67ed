namespace Tandem.Conformance.Kinds.Gguf;

/// <summary>
/// GGUF's goldens: blocks, quantizers, codebooks, files that are broken in some way (safetensors among them). Which a folder has is told by its files, so that any subfolder can be
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
        else if (IsIn(folder, "models") || folder.Files.Any(f => f.EndsWith(".gguf", StringComparison.Ordinal))) Unsupported(folder, folder.Unread.Where(f => !f.Contains('/', StringComparison.Ordinal)), "GGUF models", context);
        else if (folder.Has("bars.json")) QuantizerCases.RunBars(folder, context);
        if (folder.Has("tables.safetensors")) CodebookCases.Run(folder, context);
        if (folder.Has("presets.json")) Unsupported(folder, ["presets.json"], "quantization recipes", context);
        if (IsIn(folder, "blocks")) BlockCases.Run(folder, context);
        if (IsIn(folder, "quantize")) QuantizerCases.RunExact(folder, context);
        foreach (CaseFolder sub in folder.Folders) Run(sub, context);
    }

    private static bool IsIn(CaseFolder folder, string part) => folder.Name.Split('/').Contains(part);

    // One case a file: these parts are not built yet.
    private static void Unsupported(CaseFolder folder, IEnumerable<string> files, string feature, RunContext context)
    {
        foreach (string file in files.ToList())
        {
            folder.Claim(file);
            context.Report.Case($"{folder.Name}/{file}", _ => throw new UnsupportedException(feature));
        }
    }
}
