namespace Tandem.Conformance.Kinds.Training;

/// <summary>
/// Training goldens: which family a folder's cases belong to is told by its files, so that any subfolder can be run by itself.
/// </summary>
internal static class TrainingCases
{
    // The file that lists a family's cases, and what runs them.
    private static readonly (string File, Action<CaseFolder, RunContext> Run)[] Families =
    [
        ("expected.json", TrajectoryCases.Run),
        ("schedules.json", ScheduleCases.Run),
        ("conversions.json", PrecisionCases.RunConversions),
        ("loss_scaler.json", PrecisionCases.RunLossScaler),
        ("index.json", RunIndexed),
    ];

    /// <summary>Runs all cases of a folder and its subfolders.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        folder = context.OverShared(folder);
        if (folder.Leaf is "finetune" or "distributed" || IsInside(folder, "finetune") || IsInside(folder, "distributed"))
        {
            Unsupported(folder, IsInside(folder, "finetune") || folder.Leaf == "finetune" ? "finetune" : "distributed", context);
            return;
        }

        foreach ((string file, Action<CaseFolder, RunContext> run) in Families.Where(f => folder.Has(f.File)))
            context.Report.List($"{folder.Name}/{file}", () => run(folder, context));
        foreach (CaseFolder sub in folder.Folders.Where(f => !(folder.Has("expected.json") && f.Leaf == TrajectoryCases.ModelFolder)))
            Run(sub, context);
    }

    private static void RunIndexed(CaseFolder folder, RunContext context)
    {
        if (folder.CanRead(OptimizerCases.Problem)) OptimizerCases.Run(folder, context);
        else OpCases.Run(folder, context);
    }

    private static bool IsInside(CaseFolder folder, string part) => folder.Name.Contains($"/{part}/", StringComparison.Ordinal);

    // One case a file: these folders' parts are not built yet.
    private static void Unsupported(CaseFolder folder, string feature, RunContext context)
    {
        foreach (string file in folder.Unread)
        {
            folder.Claim(file);
            context.Report.Case($"{folder.Name}/{file}", _ => throw new UnsupportedException(feature));
        }
    }
}
