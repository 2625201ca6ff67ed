using System.Text;
using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Directories without tokenizer.json: their vocabularies give the tokens of the golden tokenizer they are from; malformed files are refused.</summary>
public sealed class TokenizerFolderTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("bpe_gpt2", "GPT2TokenizerFast")]
    [InlineData("bpe_qwen2_nfc", "Qwen2Tokenizer")]
    [InlineData("bpe_roberta_prefix_space", "RobertaTokenizer")]
    public void Vocabulary_and_merges(string golden, string kind)
    {
        using JsonDocument json = Golden(golden);
        JsonElement model = json.RootElement.GetProperty("model");
        Write("vocab.json", model.GetProperty("vocab").GetRawText());
        Write("merges.txt", "#version: 0.2\n" + string.Join('\n', model.GetProperty("merges").EnumerateArray().Select(m => m.ValueKind == JsonValueKind.String ? m.GetString() : $"{m[0].GetString()} {m[1].GetString()}")) + "\n");
        WriteConfig(json.RootElement, kind, golden == "bpe_roberta_prefix_space" ? ""","add_prefix_space": true, "cls_token": "<s>", "sep_token": "</s>" """ : "");
        Same(golden);
    }

    [Theory]
    [InlineData("wordpiece_bert_uncased", true)]
    [InlineData("wordpiece_bert_cased", false)]
    public void Word_pieces(string golden, bool lower)
    {
        using JsonDocument json = Golden(golden);
        Write("vocab.txt", string.Join('\n', json.RootElement.GetProperty("model").GetProperty("vocab").EnumerateObject().OrderBy(t => t.Value.GetInt32()).Select(t => t.Name)) + "\n");
        WriteConfig(json.RootElement, "BertTokenizer", $""","do_lower_case": {(lower ? "true" : "false")} """);
        Same(golden);
    }

    [Fact]
    public void A_SentencePiece_model_with_its_configuration()
    {
        string goldens = Path.Combine(TokenizerGoldens.Folder, "spm_models");
        File.WriteAllBytes(_files.At("tokenizer.model"), TokenizerGoldens.Read(goldens, "bpe_bytes.model"));
        Tokenizer alone = TokenizerFiles.Load(_files.At("tokenizer.model"));
        Write("tokenizer_config.json", $$"""{"add_bos_token": false, "add_eos_token": true, "added_tokens_decoder": {"{{alone.VocabSize}}": {"content": "<tool>", "special": true} } }""");
        Tokenizer tokenizer = TokenizerFiles.Load(_files.Folder);
        Assert.Equal(alone.VocabSize + 1, tokenizer.VocabSize);
        foreach (JsonElement row in TokenizerGoldens.Lines(goldens, "bpe_bytes.cases.jsonl"))
            Assert.Equal([.. row.Ints("ids"), row.Ints("ids_bos_eos")[^1]], tokenizer.Encode(row.Text("text")!, addSpecial: true));
        Assert.Contains(alone.VocabSize, tokenizer.Encode("a <tool> b", SpecialTokens.Parse));
    }

    [Theory]
    [InlineData("tokenizer_config.json", "[]", "tokenizer_config.json': accepted is a JSON object")]
    [InlineData("vocab.json", "[1]", "vocab.json': accepted is a JSON object")]
    [InlineData("vocab.json", """{"a": 0, "a": 1}""", "vocab.json' is not valid JSON")]
    [InlineData("vocab.json", """{"a": -1}""", "vocab.json: ['a']")]
    [InlineData("merges.txt", "a b\nc", "merges")]
    [InlineData("tokenizer_config.json", """{"tokenizer_class": "OddTokenizer"}""", "OddTokenizer")]
    [InlineData("added_tokens.json", """{"x": "y"}""", "added_tokens.json: ['x']")]
    public void Malformed_files_are_refused_by_name(string file, string content, string expected)
    {
        Write("vocab.json", """{"a": 0}""");
        Write("merges.txt", "");
        Write(file, content);
        Assert.Contains(expected, Assert.Throws<TandemException>(() => TokenizerFiles.Load(_files.Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_without_a_tokenizer_says_what_was_looked_for() =>
        Assert.Contains("looked for tokenizer.json, tokenizer.model", Assert.Throws<TandemException>(() => TokenizerFiles.Load(_files.Folder)).Message, StringComparison.Ordinal);

    private static JsonDocument Golden(string golden) => JsonDocument.Parse(TokenizerGoldens.Read(Path.Combine(TokenizerGoldens.Folder, golden), TokenizerJson.FileName));

    private void Write(string name, string content) => File.WriteAllText(_files.At(name), content, new UTF8Encoding(false));

    // The added tokens as configurations have them.
    private void WriteConfig(JsonElement tokenizer, string kind, string more)
    {
        IEnumerable<string> added = tokenizer.GetProperty("added_tokens").EnumerateArray().Select(t => $"\"{t.GetProperty("id").GetInt32()}\": {t.GetRawText()}");
        Write("tokenizer_config.json", $$"""{"tokenizer_class": "{{kind}}", "added_tokens_decoder": { {{string.Join(',', added)}} } {{more}} }""");
    }

    private void Same(string golden)
    {
        Tokenizer tokenizer = TokenizerFiles.Load(_files.Folder);
        string folder = Path.Combine(TokenizerGoldens.Folder, golden);
        foreach (JsonElement row in TokenizerGoldens.Lines(folder, "cases.jsonl").Where(r => !r.GetProperty("split_special_tokens").GetBoolean()))
            Assert.Equal(row.Ints("ids"), tokenizer.Encode(row.Text("text")!, row.GetProperty("add_special_tokens").GetBoolean(), SpecialTokens.Parse));
    }
}
