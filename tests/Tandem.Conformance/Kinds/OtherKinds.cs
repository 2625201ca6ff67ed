using Tandem.Conformance.Kinds.Gguf;

namespace Tandem.Conformance.Kinds;

/// <summary>
/// Kinds that the engine has nothing for yet: each file is a case, unsupported by the kind's name. Of GGUF's, whole models, recipes and malformed safetensors are run.
/// </summary>
internal static class OtherKinds
{
    /// <summary>Reports all cases of a folder.</summary>
    public static void Run(string kind, CaseFolder folder, RunContext context)
    {
        int before = context.Report.Results.Count;
        RunSafetensors(folder, context);
        IReadOnlyList<string> files = folder.Unread;
        foreach (string file in files)
        {
            folder.Claim(file);
            context.Report.Case($"{folder.Name}/{file}", _ => throw new UnsupportedException(kind));
        }

        // A kind whose only case is described in words.
        if (context.Report.Results.Count == before && folder.HasAny) context.Report.Case(folder.Name, _ => throw new UnsupportedException(kind));
    }

    private static void RunSafetensors(CaseFolder folder, RunContext context)
    {
        if (SafetensorsCases.Has(folder)) SafetensorsCases.Run(folder, context);
        if (GgufModelCases.Has(folder)) GgufModelCases.Run(folder, context);
        if (PresetCases.Has(folder)) PresetCases.Run(folder, context);
        foreach (CaseFolder sub in folder.Folders) RunSafetensors(sub, context);
    }
}
