using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>
/// Tokenizer goldens: a folder with a <c>tokenizer.json</c> and files of rows, each file a case. Whether a tokenizer is supported is the loader's word.
/// SentencePiece models, rank files and GGUF vocabularies have rows by their name beside them. Rows in <c>on_visible/NAME.cases.jsonl</c> are for the tokenizer NAME of the shared goldens.
/// </summary>
internal static class TokenizerCases
{
    private static readonly string[] RowFiles = ["cases.jsonl", "pairs.jsonl", "stream.jsonl"];

    /// <summary>Runs all cases of a folder and its subfolders.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        folder = context.OverShared(folder);
        switch (folder.Leaf)
        {
            case RunContext.OnVisible: RunOnVisible(folder, context); break;
            case "units": TokenizerUnitCases.Run(folder, context); break;
            case "training": TokenizerTrainingCases.Run(folder, context); break;
            default:
                RunRows(folder, folder, "", context);
                RunNamedRows(folder, context);
                break;
        }

        foreach (CaseFolder sub in folder.Folders) Run(sub, context);
    }

    // The rows of files PREFIXcases.jsonl and so on in one folder, for the tokenizer in another.
    private static void RunRows(CaseFolder rows, CaseFolder tokenizer, string prefix, RunContext context)
    {
        string[] files = [.. RowFiles.Select(f => prefix + f).Where(rows.Has)];
        if (files.Length == 0) return;
        tokenizer.Claim("tokenizer_config.json");
        using var loaded = new LoadedTokenizer(tokenizer);
        foreach (string file in files)
        {
            Action<Tokenizer, JsonElement[], Checks> compare = file[prefix.Length..] switch
            {
                "cases.jsonl" => TokenizerRows.CompareTexts,
                "pairs.jsonl" => TokenizerRows.ComparePairs,
                _ => TokenizerRows.CompareStreams,
            };
            context.Report.Case($"{rows.Name}/{file}", checks =>
            {
                rows.Claim(file);
                compare(loaded.Get(), rows.JsonLines(file), checks);
            });
        }
    }

    // spm_models/X.cases.jsonl beside X.model, tiktoken/X.cases.jsonl beside X.tiktoken; X.inp and X.out beside X.gguf.
    private static void RunNamedRows(CaseFolder folder, RunContext context)
    {
        const string suffix = ".cases.jsonl";
        foreach (string file in folder.Files.Where(f => f.EndsWith(suffix, StringComparison.Ordinal))) RunNamed(folder, folder, file, file[..^suffix.Length], context);
        foreach (string file in folder.Files.Where(f => f.EndsWith(".inp", StringComparison.Ordinal) && folder.CanRead(f[..^".inp".Length] + ".out")))
        {
            string name = file[..^".inp".Length], vocabulary = name.EndsWith(".gguf", StringComparison.Ordinal) ? name : name + ".gguf";
            foreach (string part in (string[])[file, name + ".out", vocabulary]) folder.Claim(part);
            context.Report.Case($"{folder.Name}/{file}", checks =>
            {
                using var loaded = new LoadedTokenizer(folder, vocabulary);
                TokenizerRows.CompareLines(loaded.Get(), folder.Read(file), folder.Read(name + ".out"), checks);
            });
        }
    }

    // Rows of a file in one folder, for a SentencePiece model or a rank file of a name in another.
    private static void RunNamed(CaseFolder rows, CaseFolder tokenizer, string file, string name, RunContext context)
    {
        rows.Claim(file);
        foreach (string part in (string[])[".model", ".info.json", ".tiktoken", ".json"]) tokenizer.Claim(name + part);
        context.Report.Case($"{rows.Name}/{file}", checks =>
        {
            bool model = tokenizer.CanRead(name + ".model");
            if (!model && !tokenizer.CanRead(name + ".tiktoken")) throw new UnsupportedException("not stored");
            using LoadedTokenizer loaded = model ? new(tokenizer, name + ".model") : new(tokenizer, name + ".tiktoken", name + ".json");
            if (model) TokenizerRows.CompareSentencePiece(loaded.Get(), loaded.WithBoth(), rows.JsonLines(file), checks);
            else TokenizerRows.CompareTiktoken(loaded.Get(), rows.JsonLines(file), checks);
        });
    }

    private static void RunOnVisible(CaseFolder folder, RunContext context)
    {
        CaseFolder? shared = context.SharedKind("tokenizers");
        foreach (IGrouping<string, string> named in folder.Files.GroupBy(NameOf).Where(g => g.Key.Length > 0))
        {
            string path = named.Key.Replace('.', '/');
            string[] parts = path.Split('/');
            if (parts is ["spm_models" or "tiktoken", var model] && shared?.Sub(parts[0]) is { HasAny: true } models)
            {
                foreach (string file in named) RunNamed(folder, models, file, model, context);
            }
            else if (parts.Aggregate(shared, (at, name) => at?.Sub(name)) is { HasAny: true } tokenizer)
            {
                RunRows(folder, tokenizer, named.Key + ".", context);
            }
            else
            {
                Refuse(folder, named, () => new TandemException($"no tokenizers/{path} in the shared goldens '{context.Shared}' (see --shared)"), context);
            }
        }
    }

    private static void Refuse(CaseFolder folder, IEnumerable<string> files, Func<Exception> why, RunContext context)
    {
        foreach (string file in files)
        {
            folder.Claim(file);
            context.Report.Case($"{folder.Name}/{file}", _ => throw why());
        }
    }

    private static string NameOf(string file) =>
        RowFiles.Where(r => file.EndsWith("." + r, StringComparison.Ordinal)).Select(r => file[..^(r.Length + 1)]).FirstOrDefault("");

    /// <summary>A folder's tokenizer, read once; a refusal is repeated to every case.</summary>
    private sealed class LoadedTokenizer(CaseFolder folder, string name = TokenizerJson.FileName, params string[] beside) : IDisposable
    {
        private readonly string _directory = Directory.CreateTempSubdirectory("tandem-conformance-").FullName;
        private Tokenizer? _tokenizer;

        private string Place => Path.Combine(_directory, name);

        public Tokenizer Get()
        {
            if (_tokenizer != null) return _tokenizer;
            if (!folder.CanRead(name)) throw new UnsupportedException("not stored");
            folder.CopyTo(_directory, [name, .. beside]);
            return _tokenizer = Load(() => TokenizerFiles.Load(Place));
        }

        /// <summary>The SentencePiece model with what begins and what ends a text.</summary>
        public Tokenizer WithBoth() => Load(() => TokenizerFiles.LoadSentencePiece(Place, addBos: true, addEos: true));

        public void Dispose() => Directory.Delete(_directory, recursive: true);

        private Tokenizer Load(Func<Tokenizer> load)
        {
            try
            {
                return load();
            }
            catch (TandemException e) when (e.Message.Contains("not supported", StringComparison.Ordinal))
            {
                throw UnsupportedException.Of(e, Place);
            }
        }
    }
}
