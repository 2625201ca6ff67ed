namespace Tandem.Conformance.Kinds;

/// <summary>Kinds that the engine has nothing for yet: each file is a case, unsupported by the kind's name.</summary>
internal static class OtherKinds
{
    /// <summary>Reports all cases of a folder.</summary>
    public static void Run(string kind, CaseFolder folder, RunContext context)
    {
        IReadOnlyList<string> files = folder.Unread;
        foreach (string file in files)
        {
            folder.Claim(file);
            context.Report.Case($"{folder.Name}/{file}", _ => throw new UnsupportedException(kind));
        }

        // A kind whose only case is described in words.
        if (files.Count == 0 && folder.HasAny) context.Report.Case(folder.Name, _ => throw new UnsupportedException(kind));
    }
}
