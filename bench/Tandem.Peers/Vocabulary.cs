using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;
using Tandem.Models;

namespace Tandem.Peers;

/// <summary>A byte-level vocabulary of a GGUF file, for Tandem and for the peers.</summary>
internal sealed class Vocabulary
{
    private const int Normal = 1;

    // DeepSeek LLM's cuts one after another, and as the one expression that the peer takes.
    private const string Han = "\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff";
    private static readonly string[] DeepSeekCuts = [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", $"[{Han}]+"];
    private const string DeepSeekWords =
        $@"[\r\n]|\s?[\p{{L}}-[{Han}]]+|[{Han}]+|\s(?=[{Han}])|\s?[\p{{P}}-[{Han}]]+|\p{{N}}|(?:(?!\s?[\p{{L}}\p{{P}}]|[\r\n\p{{N}}{Han}])[\s\S])+";
    private const string Gpt2Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private readonly string _kind;
    private readonly IReadOnlyList<string> _tokens, _merges;
    private readonly IReadOnlyList<double> _types;

    public Vocabulary(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        _kind = file.String("tokenizer.ggml.pre");
        if (_kind is not ("gpt-2" or "deepseek-llm")) throw new TandemException($"{path}: tokenizer.ggml.pre is '{_kind}', wanted gpt-2 or deepseek-llm");
        (_tokens, _merges, _types) = (file.Strings("tokenizer.ggml.tokens"), file.Strings("tokenizer.ggml.merges"), file.Numbers("tokenizer.ggml.token_type"));
    }

    public int Count => _tokens.Count;

    public Tandem.Models.Tokenizer ForTandem()
    {
        object bytes = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = _kind == "gpt-2" };
        IEnumerable<object> cuts = DeepSeekCuts.Select(object (c) => new { type = "Split", pattern = new { Regex = c }, behavior = "Isolated", invert = false });
        object words = _kind == "gpt-2" ? bytes : new { type = "Sequence", pretokenizers = cuts.Append(new { type = "Digits", individual_digits = true }).Append(bytes) };
        var json = new
        {
            added_tokens = Array.Empty<object>(),
            pre_tokenizer = words,
            decoder = bytes,
            model = new { type = "BPE", vocab = Ids(), merges = _merges },
        };
        string folder = Directory.CreateTempSubdirectory("tandem-peers-").FullName, file = Path.Combine(folder, TokenizerJson.FileName);
        try
        {
            File.WriteAllBytes(file, JsonSerializer.SerializeToUtf8Bytes(json));
            return TokenizerJson.Load(file);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public Microsoft.ML.Tokenizers.Tokenizer ForBpeTokenizer() =>
        BpeTokenizer.Create(new BpeOptions(Ids()) { Merges = _merges, ByteLevel = true, PreTokenizer = Words() });

    /// <summary>As a rank file: for vocabularies whose ids are in order of their merges.</summary>
    public Microsoft.ML.Tokenizers.Tokenizer ForTiktoken()
    {
        var ranks = new StringBuilder();
        byte[] bytes = new byte[1 << 16];
        var models = ForTandem();
        for (int id = 0; id < _tokens.Count; id++)
            if (_types[id] == Normal) ranks.Append(Convert.ToBase64String(models.Bytes(id))).Append(' ').Append(id).Append('\n');
        return TiktokenTokenizer.Create(new MemoryStream(Encoding.UTF8.GetBytes(ranks.ToString())), Words(), null);
    }

    private RegexPreTokenizer Words() => new(new Regex(_kind == "gpt-2" ? Gpt2Words : DeepSeekWords, RegexOptions.Compiled), null);

    // Ids beyond the trained ones are control tokens.
    private Dictionary<string, int> Ids()
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < _tokens.Count; id++)
            if (_types[id] == Normal) ids.TryAdd(_tokens[id], id);
        return ids;
    }
}
