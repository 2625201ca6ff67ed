using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>
/// Model goldens: each folder with <c>goldens.json</c> is a case. The directory is loaded with each spelling of its config and must give the reference's logits,
/// alone and packed, and its greedy continuations with their log-probabilities.
/// </summary>
internal static class ModelCases
{
    private const string Goldens = "goldens.json", Tensors = "goldens.safetensors", IndexName = "index.json";

    private static readonly string[] Configs = ["config.json", "config.v4.json"];

    /// <summary>Runs all cases of a folder and its subfolders.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        folder = context.OverShared(folder);
        if (folder.Has(Goldens))
        {
            ModelFiles.Claim(folder);
            folder.Claim(Tensors);
            context.Report.Case(folder.Name, checks => RunCase(folder, folder.Json(Goldens), context, checks));
            return;
        }

        if (folder.Has(IndexName)) context.Report.List($"{folder.Name}/{IndexName}", () => RunIndex(folder, context));
        foreach (CaseFolder sub in folder.Folders) Run(sub, context);
    }

    // The index lists all cases; one that is not there would otherwise go unnoticed.
    private static void RunIndex(CaseFolder folder, RunContext context)
    {
        foreach (JsonElement entry in folder.Json(IndexName).EnumerateArray())
        {
            string name = entry.GetProperty("case").GetString()!;
            string[] missing = [.. entry.GetProperty("files").EnumerateArray().Select(f => $"{name}/{f.GetString()}").Where(f => !folder.Has(f))];
            if (missing.Length == 0) continue;
            context.Report.Case($"{folder.Name}/{name} files", checks => checks.Fail(IndexName, $"lists {string.Join(", ", missing)}, which is not there"));
        }
    }

    private static void RunCase(CaseFolder folder, JsonElement golden, RunContext context, Checks checks)
    {
        ModelFiles.RequireSupported(folder.Json(Configs[0]));
        using var files = new ModelFiles(folder);
        GoldenTensors tensors = folder.Tensors(Tensors);
        checks.Headline = "logits";
        foreach (string config in Configs.Where(folder.CanRead))
        {
            using Model model = files.Load(config);
            var run = new ModelCase(config, golden, tensors, model, context, checks);
            run.CompareConfig();
            run.CompareRope();
            run.CompareLogits();
            run.CompareHidden();
            run.CompareGreedy();
        }
    }
}
