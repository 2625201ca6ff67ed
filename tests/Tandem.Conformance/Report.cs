using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tandem.Conformance;

/// <summary>What came of a case.</summary>
internal enum Verdict
{
    /// <summary>All comparisons hold.</summary>
    Passed,

    /// <summary>One does not, or the case could not be read.</summary>
    Failed,

    /// <summary>The engine lacks something the case needs.</summary>
    Unsupported,
}

/// <summary>A case and what came of it.</summary>
/// <param name="Name">Path of the case, from its kind on.</param>
/// <param name="Verdict">What came of it.</param>
/// <param name="Detail">Largest error, first difference, or what is unsupported.</param>
/// <param name="Checks">The comparisons.</param>
internal sealed record CaseResult(string Name, Verdict Verdict, string Detail, IReadOnlyList<Check> Checks);

/// <summary>Collects the results and writes one line a case as they come.</summary>
internal sealed class Report(TextWriter output, bool json = false)
{
    private static readonly JsonSerializerOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private readonly List<CaseResult> _results = [];

    /// <summary>The cases so far.</summary>
    public IReadOnlyList<CaseResult> Results => _results;

    /// <summary>How many cases have this verdict.</summary>
    public int Count(Verdict verdict) => _results.Count(r => r.Verdict == verdict);

    /// <summary>The last line.</summary>
    public string Totals => $"{Count(Verdict.Passed)} passed, {Count(Verdict.Failed)} failed, {Count(Verdict.Unsupported)} unsupported";

    /// <summary>0 if no case failed and there was at least one, else 1.</summary>
    public int ExitCode => _results.Count > 0 && Count(Verdict.Failed) == 0 ? 0 : 1;

    /// <summary>Runs a case. Whatever it throws is its verdict: one bad file must not keep the others from being run.</summary>
    public void Case(string name, Action<Checks> run)
    {
        var checks = new Checks();
        try
        {
            run(checks);
            Add(new CaseResult(name, checks.Passed ? Verdict.Passed : Verdict.Failed, checks.Summary, checks.All));
        }
        catch (UnsupportedException e)
        {
            Add(new CaseResult(name, Verdict.Unsupported, e.Feature, []));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Add(new CaseResult(name, Verdict.Failed, e is TandemException ? e.Message : $"{e.GetType().Name}: {e.Message}", checks.All));
        }
    }

    /// <summary>Finds and runs cases. Where the list of them cannot be read, that is a failed case of its own.</summary>
    public void List(string name, Action run)
    {
        try
        {
            run();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            Case(name, _ => throw e);
        }
    }

    /// <summary>Adds a case whose verdict is known.</summary>
    public void Add(CaseResult result)
    {
        _results.Add(result);
        output.WriteLine(json ? Json(result) : Line(result));
    }

    /// <summary>Writes the last line.</summary>
    public void Finish() => output.WriteLine(Totals);

    private static string Line(CaseResult result)
    {
        // A case is one line, whatever texts from files are in it.
        string detail = string.Concat(result.Detail.Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' ? $"\\u{(int)c:x4}" : c.ToString()));
        return result.Verdict switch
        {
            Verdict.Unsupported => $"{result.Name,-56} unsupported: {detail}",
            Verdict.Failed => $"{result.Name,-56} {detail}  failed",
            _ => $"{result.Name,-56} {detail}  passed",
        };
    }

    private static string Json(CaseResult result) => JsonSerializer.Serialize(
        new
        {
            @case = result.Name,
            verdict = result.Verdict.ToString().ToLowerInvariant(),
            detail = result.Detail,
            checks = result.Checks.Select(c => new { what = c.What, error = c.Error, allowed = c.Allowed, passed = c.Passed, difference = c.Difference }),
        },
        Options);
}
