using System.CommandLine;
using Tandem;
using Tandem.Conformance;
using Tandem.Cpu;

var folders = new Argument<string[]>("folder") { Description = "Folders of cases, of one kind or of several.", Arity = ArgumentArity.OneOrMore };
var shared = new Option<string?>("--shared") { Description = "Folder of the shared goldens, which subfolders named on_visible refer to." };
var kind = new Option<string?>("--kind") { Description = "Kind of the folders' cases, where names and files do not tell it." };
kind.AcceptOnlyFromAmong([.. KindFinder.All]);
var json = new Option<bool>("--json") { Description = "One JSON object a case instead of a line of text." };
var templateRoot = new Option<string?>("--template-root") { Description = "Folder of chat templates that goldens name by path but do not hold." };
var root = new RootCommand("Runs every case of the given folders and prints case, largest error or first difference, verdict.") { folders, shared, kind, templateRoot, json };
root.SetAction(parsed =>
{
    string? given = parsed.GetValue(shared);
    if (given != null && !Directory.Exists(given)) throw new TandemException($"--shared '{given}': there is no such folder");
    if (given != null && Directory.Exists(Path.Combine(given, "goldens"))) given = Path.Combine(given, "goldens");
    using var team = new ThreadTeam(Math.Min(2, Environment.ProcessorCount));
    var report = new Report(Console.Out, parsed.GetValue(json));
    var context = new RunContext(report, team, given ?? Runner.FindShared(), parsed.GetValue(templateRoot));
    foreach (string folder in parsed.GetValue(folders)!) report.List(folder, () => Runner.Run(folder, parsed.GetValue(kind), context));
    report.Finish();
    return report.ExitCode;
});

try
{
    return root.Parse(args).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (TandemException e)
{
    Console.Error.WriteLine("error: " + e.Message);
    return 1;
}
