using System.Text.Json;
using Tandem.Models;

namespace Tandem.Conformance.Kinds;

/// <summary>What is done around the tokens of texts: cutting, padding, cleaning decoded text.</summary>
internal static class TokenizerShapeCases
{
    /// <summary>Batches: the first line has the texts, each other options and what comes out, or that it is refused.</summary>
    public static void RunBatches(CaseFolder folder, string file, RunContext context)
    {
        JsonElement[] lines = [.. folder.JsonLines(file)];
        Tokenizer tokenizer = Load(folder, file[..^".jsonl".Length] + ".tokenizer.json");
        (string, string?)[] texts = [.. lines[0].GetProperty("texts").EnumerateArray().Select(t => t.ValueKind == JsonValueKind.String ? (t.GetString()!, null) : (t[0].GetString()!, t[1].GetString()))];
        for (int i = 1; i < lines.Length; i++)
        {
            JsonElement line = lines[i];
            context.Report.Case($"{folder.Name}/{file} {i + 1}", checks => CompareBatch(tokenizer, texts, line, checks));
        }
    }

    /// <summary>Texts of ids by the tokenizers of the folders beside, with and without cleaning.</summary>
    public static void RunDecodes(CaseFolder folder, string file, RunContext context)
    {
        CaseFolder? beside = context.SharedKind("tokenizers");
        foreach (IGrouping<string, JsonElement> rows in folder.JsonLines(file).GroupBy(r => r.GetProperty("tokenizer").GetString()!))
        {
            context.Report.Case($"{folder.Name}/{file} {rows.Key}", checks =>
            {
                if (beside?.Sub(rows.Key) is not { HasAny: true } stored) throw new TandemException($"no tokenizers/{rows.Key} in the shared goldens '{context.Shared}' (see --shared)");
                Tokenizer tokenizer = Load(stored, TokenizerJson.FileName);
                checks.Rows("row", [.. rows], row =>
                {
                    int[] ids = [.. row.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32())];
                    string plain = tokenizer.Decode(ids, skipSpecial: false);
                    return Checks.FirstDifference(
                        [Text(row, "plain"), Text(row, "no_cleanup"), Text(row, "skip_special"), Text(row, "cleanup")],
                        [plain, plain, tokenizer.Decode(ids), tokenizer.DecodeCleaned(ids, skipSpecial: false)]);
                });
            });
        }
    }

    private static string Text(JsonElement row, string name) => row.GetProperty(name).GetString()!;

    private static void CompareBatch(Tokenizer tokenizer, (string, string?)[] texts, JsonElement line, Checks checks)
    {
        Truncation? truncation = ReadTruncation(line.GetProperty("truncation"));
        Padding? padding = ReadPadding(line.GetProperty("padding"));
        TokenEncoding[] batch;
        try
        {
            batch = tokenizer.EncodeForModel(texts, truncation, padding);
        }
        catch (TandemException) when (line.TryGetProperty("error", out _))
        {
            checks.Same("error", ["refused"], ["refused"]);
            return;
        }

        JsonElement[] expected = line.TryGetProperty("batch", out JsonElement all) ? [.. all.EnumerateArray()] : [];
        checks.Same("number of encodings", [expected.Length], [batch.Length]);
        for (int i = 0; i < Math.Min(expected.Length, batch.Length); i++)
        {
            JsonElement one = expected[i];
            checks.Same($"ids {i}", Ints(one, "ids"), batch[i].Ids);
            checks.Same($"type_ids {i}", Ints(one, "type_ids"), batch[i].TypeIds);
            checks.Same($"attention_mask {i}", Ints(one, "attention_mask"), batch[i].AttentionMask);
            checks.Same($"special_tokens_mask {i}", Ints(one, "special_tokens_mask"), batch[i].SpecialTokensMask);
            checks.Same($"offsets {i}", [.. one.GetProperty("offsets").EnumerateArray().Select(o => (o[0].GetInt32(), o[1].GetInt32()))], batch[i].Offsets(OffsetUnit.CodePoint));
            checks.Same($"overflowing_ids {i}", [.. one.GetProperty("overflowing_ids").EnumerateArray().Select(o => o.GetRawText().Replace(" ", "", StringComparison.Ordinal))], [.. batch[i].Overflowing.Select(o => $"[{string.Join(',', o.Ids)}]")]);
        }
    }

    private static int[] Ints(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(i => i.GetInt32())];

    private static Truncation? ReadTruncation(JsonElement options) => options.ValueKind == JsonValueKind.Null ? null : new Truncation(options.GetProperty("max_length").GetInt32())
    {
        Stride = options.GetProperty("stride").GetInt32(),
        Strategy = options.GetProperty("strategy").GetString() switch
        {
            "longest_first" => TruncationStrategy.LongestFirst,
            "only_first" => TruncationStrategy.OnlyFirst,
            "only_second" => TruncationStrategy.OnlySecond,
            var other => throw new UnsupportedException($"truncation strategy {other}"),
        },
        Direction = Side(options),
    };

    private static Padding? ReadPadding(JsonElement options) => options.ValueKind == JsonValueKind.Null ? null : new Padding
    {
        Length = options.TryGetProperty("length", out JsonElement length) ? length.GetInt32() : null,
        PadToMultipleOf = options.TryGetProperty("pad_to_multiple_of", out JsonElement multiple) ? multiple.GetInt32() : 0,
        Direction = Side(options),
    };

    private static TokenSide Side(JsonElement options) => options.GetProperty("direction").GetString() == "left" ? TokenSide.Left : TokenSide.Right;

    private static Tokenizer Load(CaseFolder folder, string file)
    {
        string directory = Directory.CreateTempSubdirectory("tandem-conformance-").FullName;
        try
        {
            folder.CopyTo(directory, [file]);
            return TokenizerJson.Load(Path.Combine(directory, file));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
