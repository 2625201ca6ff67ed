namespace Tandem.Conformance;

/// <summary>Says of what kind a folder's cases are: by the files in it, by its name, by the names above it.</summary>
internal static class KindFinder
{
    /// <summary>The kinds, by the names of their folders.</summary>
    public static IReadOnlyList<string> All { get; } =
        ["models", "training", "tokenizers", "templates", "gguf", "quant", "sampling", "grammar", "smollm2", "minilm", "training_curves"];

    // Folders of a kind that bear another kind's name.
    private static readonly HashSet<(string Kind, string Part)> Parts = [("training", "models"), ("gguf", "models"), ("tokenizers", "training")];

    /// <summary>The kind of a folder, and its path from that kind's folder on; null where only its subfolders may tell.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="lookAbove">Whether names above the folder count.</param>
    public static (string Kind, string Name)? Find(CaseFolder folder, bool lookAbove)
    {
        (string Kind, string Name)? byName = ByName(folder.Path, lookAbove: false);
        if (ByFiles(folder) is { } kind)
            return ByName(folder.Path, lookAbove: true) is { } named && named.Kind == kind ? named : (kind, $"{kind}/{folder.Leaf}");
        if (byName != null || !lookAbove || folder.Folders.Any(f => All.Contains(f.Leaf))) return byName;
        return ByName(folder.Path, lookAbove: true);
    }

    private static (string Kind, string Name)? ByName(string path, bool lookAbove)
    {
        string[] parts = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)).Split(Path.DirectorySeparatorChar);
        for (int i = parts.Length - 1; i >= (lookAbove ? 0 : parts.Length - 1); i--)
        {
            if (!All.Contains(parts[i])) continue;
            int root = i > 0 && Parts.Contains((parts[i - 1], parts[i])) ? i - 1 : i;
            return (parts[root], string.Join('/', parts[root..]));
        }

        return null;
    }

    // The files that only one kind has, in the folder or one level below it.
    private static string? ByFiles(CaseFolder folder)
    {
        string[] kinds = [.. new[] { folder }.Concat(folder.Folders).Select(OfFiles).OfType<string>().Distinct(StringComparer.Ordinal)];
        return kinds.Length == 1 ? kinds[0] : null;
    }

    private static string? OfFiles(CaseFolder folder)
    {
        if (folder.Has("goldens.json") && folder.Has("goldens.safetensors")) return "models";
        if (folder.Has("expected.json") && folder.Has("batch.safetensors")) return "training";
        if (folder.Has("index.json") && folder.Has("problem.safetensors")) return "training";
        if (folder.Has("conversions.json") || folder.Has("schedules.json") || folder.Has("loss_scaler.json")) return "training";
        if (folder.Has("index.json") && folder.Files.Any(f => f.EndsWith(".safetensors", StringComparison.Ordinal)) && folder.Leaf == "ops") return "training";
        if (folder.Has("conversations.jsonl") || folder.Has("control_tokens_in_input.jsonl") || folder.Has("generation_mask.jsonl")) return "templates";
        if (folder.Has("bars.json") || (folder.Has("cases.json") && folder.Files.Any(f => f.EndsWith(".gguf", StringComparison.Ordinal)))) return "gguf";
        bool hasCases = folder.Files.Any(f => f is "cases.jsonl" or "pairs.jsonl" or "stream.jsonl" || f.EndsWith(".cases.jsonl", StringComparison.Ordinal));
        return hasCases ? "tokenizers" : null;
    }
}
