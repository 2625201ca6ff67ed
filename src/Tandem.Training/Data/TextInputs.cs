namespace Tandem.Training;

/// <summary>A file of documents.</summary>
/// <param name="Path">The file.</param>
/// <param name="IsJsonLines">Whether each line is a JSON object; otherwise the file is one document.</param>
public readonly record struct TextInput(string Path, bool IsJsonLines);

/// <summary>Finds the files that inputs name.</summary>
public static class TextInputs
{
    private static readonly string[] s_jsonLines = [".jsonl", ".ndjson", ".json"];
    private static readonly string[] s_texts = [".txt", ".text", ".md"];

    /// <summary>
    /// The files of inputs, in order. A file whose name ends with .jsonl, .ndjson or .json is JSON lines, any other is text; of a folder all text and JSON lines files in it and
    /// below, in the order of their paths.
    /// </summary>
    /// <exception cref="TandemException">An input does not exist, or a folder has no such files.</exception>
    public static IReadOnlyList<TextInput> Find(IEnumerable<string> inputs)
    {
        var found = new List<TextInput>();
        foreach (string input in inputs)
        {
            if (File.Exists(input))
            {
                found.Add(new TextInput(input, HasEnding(input, s_jsonLines)));
                continue;
            }

            if (!Directory.Exists(input)) throw new TandemException($"cannot read '{input}': there is no such file or folder");
            int before = found.Count;
            foreach (string file in Directory.EnumerateFiles(input, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
                if (HasEnding(file, s_jsonLines) || HasEnding(file, s_texts)) found.Add(new TextInput(file, HasEnding(file, s_jsonLines)));
            if (found.Count == before) throw new TandemException($"'{input}' has no files that end with {string.Join(", ", s_texts.Concat(s_jsonLines))}");
        }

        return found;
    }

    private static bool HasEnding(string path, string[] endings) => endings.Contains(System.IO.Path.GetExtension(path), StringComparer.OrdinalIgnoreCase);
}
