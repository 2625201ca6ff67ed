using Tandem.Conformance.Kinds;
using Tandem.Conformance.Kinds.Gguf;
using Tandem.Conformance.Kinds.Training;
using Tandem.Cpu;

namespace Tandem.Conformance;

/// <summary>What cases of every kind share.</summary>
/// <param name="Report">Where results go.</param>
/// <param name="Team">Threads of the engine.</param>
/// <param name="Shared">The folder of the shared goldens, or null where it is not known.</param>
/// <param name="TemplateRoot">Folder of chat templates that goldens name but do not hold, or null.</param>
internal sealed record RunContext(Report Report, ThreadTeam Team, string? Shared, string? TemplateRoot = null)
{
    /// <summary>Name of a subfolder whose cases refer to files of the shared goldens.</summary>
    public const string OnVisible = "on_visible";

    private readonly Dictionary<string, CaseFolder?> _shared = [];

    /// <summary>The folder, and behind it, if it is <c>on_visible</c> or inside of it, the shared goldens' folder of the same path.</summary>
    public CaseFolder OverShared(CaseFolder folder)
    {
        string[] parts = folder.Name.Split('/');
        if (!parts.Contains(OnVisible)) return folder;
        return folder.Over(parts.Skip(1).Where(p => p != OnVisible).Aggregate(SharedKind(parts[0]), (at, part) => at?.Sub(part)));
    }

    /// <summary>The shared goldens of a kind, or null where they are not there.</summary>
    public CaseFolder? SharedKind(string kind)
    {
        if (_shared.TryGetValue(kind, out CaseFolder? known)) return known;
        string? path = Shared == null ? null : Path.Combine(Shared, kind);
        return _shared[kind] = Directory.Exists(path) ? CaseFolder.Open(path, kind) : null;
    }
}

/// <summary>Runs every case of a folder and reports every file that no case has read.</summary>
internal static class Runner
{
    /// <summary>Runs a folder.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="kind">Its kind, or null to find it out.</param>
    /// <param name="context">What cases share.</param>
    public static void Run(string path, string? kind, RunContext context)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        CaseFolder folder = CaseFolder.Open(path, Path.GetFileName(path));
        (string Kind, string Name)? found = KindFinder.Find(folder, lookAbove: true);
        if (kind != null) found = (kind, found is { } f && f.Kind == kind ? f.Name : folder.Leaf == kind ? kind : $"{kind}/{folder.Leaf}");
        folder = CaseFolder.Open(path, found?.Name ?? folder.Name);
        if (found != null) RunKind(found.Value.Kind, folder, context);
        else RunFolders(folder, context);
        string problem = found == null ? "no case reads this file (is its kind known? see --kind)" : "no case reads this file";
        foreach (string file in folder.Unread) context.Report.Add(new CaseResult($"{folder.Name}/{file}", Verdict.Failed, problem, []));
    }

    /// <summary>The shared goldens beside the checkout: the nearest folder <c>shared/goldens</c> above the program or the working directory.</summary>
    public static string? FindShared()
    {
        foreach (string start in (string[])[Environment.CurrentDirectory, AppContext.BaseDirectory])
        {
            for (string? folder = start; folder != null; folder = Path.GetDirectoryName(folder))
            {
                string candidate = Path.Combine(folder, "shared", "goldens");
                if (Directory.Exists(candidate)) return candidate;
            }
        }

        return null;
    }

    // A folder of several kinds: each subfolder says its own.
    private static void RunFolders(CaseFolder folder, RunContext context)
    {
        foreach (CaseFolder sub in folder.Folders)
        {
            if (KindFinder.Find(sub, lookAbove: false) is { } found) RunKind(found.Kind, sub.Named(found.Name), context);
            else RunFolders(sub, context);
        }
    }

    private static void RunKind(string kind, CaseFolder folder, RunContext context)
    {
        switch (kind)
        {
            case "models": ModelCases.Run(folder, context); break;
            case "training": TrainingCases.Run(folder, context); break;
            case "templates": TemplateCases.Run(folder, context); break;
            case "tokenizers": TokenizerCases.Run(folder, context); break;
            case "gguf": GgufCases.Run(folder, context); break;
            default: OtherKinds.Run(kind, folder, context); break;
        }
    }
}
