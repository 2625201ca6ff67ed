using System.Text;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>
/// Parts of a tokenizer alone: each line is a part's config with texts and what it makes of them. Whether a part is supported is its reader's word.
/// </summary>
internal static class TokenizerUnitCases
{
    private static readonly Dictionary<string, Action<JsonElement, JsonElement[], Checks>> Kinds = new()
    {
        ["normalizers.jsonl"] = Normalizers,
        ["pretokenizers.jsonl"] = PreTokenizers,
        ["decoders.jsonl"] = Decoders,
    };

    /// <summary>Runs the cases of a folder.</summary>
    public static void Run(CaseFolder folder, RunContext context)
    {
        foreach (string file in folder.Files.Where(f => f.EndsWith(".jsonl", StringComparison.Ordinal)))
        {
            if (Kinds.TryGetValue(file, out Action<JsonElement, JsonElement[], Checks>? run))
            {
                context.Report.List($"{folder.Name}/{file}", () => RunLines(folder, file, run, context));
                continue;
            }

            switch (file)
            {
                case "truncation_padding.jsonl":
                    context.Report.List($"{folder.Name}/{file}", () => TokenizerShapeCases.RunBatches(folder, file, context));
                    break;
                case "transformers_decode.jsonl":
                    context.Report.List($"{folder.Name}/{file}", () => TokenizerShapeCases.RunDecodes(folder, file, context));
                    break;
                default:
                    folder.Claim(file);
                    context.Report.Case($"{folder.Name}/{file}", _ => throw new UnsupportedException($"units: {file[..^".jsonl".Length]}"));
                    break;
            }
        }
    }

    private static void RunLines(CaseFolder folder, string file, Action<JsonElement, JsonElement[], Checks> run, RunContext context)
    {
        int number = 0;
        foreach (JsonElement line in folder.JsonLines(file))
        {
            number++;
            JsonElement config = line.GetProperty("config");
            context.Report.Case(
                $"{folder.Name}/{file} {number} {config.GetProperty("type").GetString()}",
                checks => run(config, [.. line.GetProperty("cases").EnumerateArray()], checks));
        }
    }

    private static void Normalizers(JsonElement config, JsonElement[] cases, Checks checks)
    {
        Normalizer normalizer = Read(() => Normalizer.Read(config, "normalizer"));
        checks.Rows("text", cases, c => Checks.FirstDifference([c[1].GetString()], [normalizer.Apply(c[0].GetString()!)]));
    }

    private static void PreTokenizers(JsonElement config, JsonElement[] cases, Checks checks)
    {
        PreTokenizer part = Read(() => PreTokenizer.Read(config, "pre_tokenizer"));
        checks.Rows("text", cases, c =>
        {
            string text = c[0].GetString()!;
            List<Piece> pieces = text.Length == 0 ? [] : [new Piece(0, text.Length)];
            AlignedText cut = part.Apply(new AlignedText(text, 0), pieces);
            (string, int, int)[] expected = [.. c[1].EnumerateArray().Select(p => (p[0].GetString()!, p[1][0].GetInt32(), p[1][1].GetInt32()))];
            var shown = new List<(string, int, int)>();
            foreach (Piece piece in pieces) shown.Add(Shown(text, cut.Slice(piece.Start, piece.Length), part.TakesBytes));
            return Checks.FirstDifference(expected, [.. shown]);
        });
    }

    private static void Decoders(JsonElement config, JsonElement[] cases, Checks checks)
    {
        Tandem.Models.Decoder decoder = Read(() => Tandem.Models.Decoder.Read(config, "decoder"));

        // Where the reference crashes any answer is fine.
        checks.Rows("text", [.. cases.Where(c => c[1].ValueKind == JsonValueKind.String)], c =>
            Checks.FirstDifference([c[1].GetString()], [decoder.Decode(c[0].EnumerateArray().Select(t => t.GetString()!))]));
    }

    private static T Read<T>(Func<T?> read)
        where T : class
    {
        try
        {
            return read()!;
        }
        catch (TandemException e)
        {
            throw UnsupportedException.Of(e);
        }
    }

    // As the goldens have a piece: bytes by their characters, ends in code points.
    private static (string Text, int Start, int End) Shown(string text, AlignedText piece, bool bytes)
    {
        string shown = piece.Text.ToString();
        if (bytes) shown = string.Concat(Encoding.UTF8.GetBytes(shown).Select(b => ByteAlphabet.Characters[b]));
        return (shown, CodePoints(text, piece.StartOf(0)), CodePoints(text, piece.EndOf(piece.Text.Length - 1)));
    }

    private static int CodePoints(string text, int end)
    {
        int count = 0;
        foreach (Rune _ in text.AsSpan(0, end).EnumerateRunes()) count++;
        return count;
    }
}
