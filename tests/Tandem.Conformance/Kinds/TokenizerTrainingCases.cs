using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>Training of BPE: merges in order and the vocabulary.</summary>
internal static class TokenizerTrainingCases
{
    private static readonly string[] Options = ["vocab_size", "min_frequency", "special_tokens", "max_token_length"];

    /// <summary>Runs the cases of a folder.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        foreach (string file in folder.Files.Where(f => f.EndsWith(".json", StringComparison.Ordinal)))
            context.Report.Case($"{folder.Name}/{file}", checks => RunCase(folder.Json(file), checks));
    }

    private static void RunCase(JsonElement golden, Checks checks)
    {
        JsonElement preTokenizer = golden.GetProperty("pre_tokenizer"), options = golden.GetProperty("options");
        string? unknown = options.EnumerateObject().Select(o => o.Name).FirstOrDefault(o => !Options.Contains(o));
        if (unknown != null) throw new UnsupportedException($"training with {unknown}");

        bool bytes = golden.GetProperty("initial_alphabet_is_the_256_byte_characters").GetBoolean();
        if (bytes && !(preTokenizer.GetProperty("type").GetString() == "ByteLevel" && preTokenizer.GetProperty("use_regex").GetBoolean()))
            throw new UnsupportedException("training with the byte alphabet on other words than GPT-2's");
        BpeTrainer trainer = bytes ? new BpeTrainer(preTokenizer.GetProperty("add_prefix_space").GetBoolean()) : new BpeTrainer(PreTokenizer.Read(preTokenizer, "pre_tokenizer")!);
        foreach (JsonElement document in golden.GetProperty("documents").EnumerateArray()) trainer.Add(document.GetString());
        Tokenizer tokenizer = trainer.Train(
            options.GetProperty("vocab_size").GetInt32(),
            [.. options.GetProperty("special_tokens").EnumerateArray().Select(t => t.GetString()!)],
            options.GetProperty("min_frequency").GetInt64(),
            options.TryGetProperty("max_token_length", out JsonElement limit) ? limit.GetInt32() : 0);
        checks.Same("merges", [.. golden.GetProperty("merges").EnumerateArray().Select(m => (m[0].GetString()!, m[1].GetString()!))], tokenizer.Merges);
        string[] vocab = [.. golden.GetProperty("vocab").EnumerateObject().OrderBy(t => t.Value.GetInt32()).Select(t => t.Name)];
        checks.Same("vocab", vocab, [.. Enumerable.Range(0, tokenizer.VocabSize).Select(tokenizer.TokenText)]);
    }
}
