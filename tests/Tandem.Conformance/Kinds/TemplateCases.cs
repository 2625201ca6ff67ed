using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>
/// Chat templates: a folder of small templates and their results (<c>features</c>), and renderings of conversations by whole templates, each file a case. A file of renderings belongs to
/// the template of its name in <c>jinja</c>, here or in the shared goldens; one whose first line names a template that is not stored is read from <c>--template-root</c>.
/// </summary>
internal static class TemplateCases
{
    private const string Conversations = "conversations.jsonl";
    private static readonly string[] FeatureFiles = ["features.jsonl", "generation_mask.jsonl", "control_tokens_in_input.jsonl"];

    /// <summary>Runs all cases of a folder and its subfolders.</summary>
    public static void Run(CaseFolder folder, RunContext context) => Run(folder, folder, context);

    // The nearest folder with conversations is the root of a set.
    private static void Run(CaseFolder folder, CaseFolder root, RunContext context)
    {
        if (folder.Has(Conversations)) root = folder;
        folder.Claim(Conversations);
        foreach (string file in folder.Files.Where(f => f.EndsWith(".jsonl", StringComparison.Ordinal) && f != Conversations))
        {
            context.Report.Case($"{folder.Name}/{file}", checks =>
            {
                folder.Claim(file);
                JsonElement[] rows = folder.JsonLines(file);
                if (Array.IndexOf(FeatureFiles, file) is var feature and >= 0) TemplateRows.Features[feature](rows, Tokenizer(context), checks);
                else CompareRenderings(folder, file, rows, root, context, checks);
            });
        }

        // Templates without renderings of their own are read by those of other sets.
        foreach (string template in folder.Files.Where(f => f.EndsWith(".jinja", StringComparison.Ordinal))) folder.Claim(template);
        foreach (CaseFolder sub in folder.Folders) Run(sub, root, context);
    }

    private static void CompareRenderings(CaseFolder folder, string file, JsonElement[] rows, CaseFolder root, RunContext context, Checks checks)
    {
        CaseFolder? shared = context.SharedKind("templates");
        var conversations = new Dictionary<string, JsonElement>();
        CaseFolder? own = folder.Leaf == "visible_conversations" && shared is not null ? null : root;
        foreach (CaseFolder? from in (CaseFolder?[])[shared, own])
        {
            if (from is null || !from.CanRead(Conversations)) continue;
            foreach (JsonElement conversation in from.JsonLines(Conversations)) conversations[conversation.GetProperty("id").GetString()!] = conversation;
        }

        JsonElement head = rows[0];
        string source = Source(file[..^".jsonl".Length], head, root, shared, context);
        TemplateRows.CompareRenderings(source, head, rows[1..], conversations, checks);
    }

    private static string Source(string name, JsonElement head, CaseFolder root, CaseFolder? shared, RunContext context)
    {
        string path = $"jinja/{name}.jinja";
        foreach (CaseFolder? folder in (CaseFolder?[])[root, shared])
            if (folder is not null && folder.CanRead(path)) return System.Text.Encoding.UTF8.GetString(folder.Read(path));
        if (context.TemplateRoot is not { } place) throw new UnsupportedException("not stored");
        string[] names = [.. head.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.String && p.Name != "now").SelectMany(p => new[] { p.Value.GetString()!, p.Value.GetString() + ".jinja" }), name + ".jinja"];
        foreach (string given in names)
        {
            string file = Path.Combine(place, given.Split('/', '\\')[^1]);
            if (File.Exists(file)) return File.ReadAllText(file);
        }

        throw new TandemException($"--template-root '{place}' has none of {string.Join(", ", names)}");
    }

    // The tokenizer that the ids of masks and of typed control tokens were made with.
    private static Func<Tokenizer> Tokenizer(RunContext context) => () =>
    {
        if (context.SharedKind("tokenizers")?.Sub("bpe_qwen2_nfc") is not { } folder || !folder.CanRead(TokenizerJson.FileName)) throw new UnsupportedException("not stored");
        string directory = Directory.CreateTempSubdirectory("tandem-conformance-").FullName;
        try
        {
            folder.CopyTo(directory, [TokenizerJson.FileName]);
            return TokenizerJson.Load(Path.Combine(directory, TokenizerJson.FileName));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    };
}
