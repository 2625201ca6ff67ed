using System.Text;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>Each word is a token or unknown.</summary>
internal sealed class WordLevelModel : TokenModel
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly string _unkToken;
    private readonly int _unknown;

    /// <summary>Makes a model.</summary>
    /// <exception cref="TandemException">The unknown token is not in the vocabulary.</exception>
    public WordLevelModel(Dictionary<string, int> vocabulary, string unkToken)
    {
        _ids = vocabulary;
        _lookup = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        _unkToken = unkToken;
        if (!vocabulary.TryGetValue(unkToken, out _unknown)) throw new TandemException($"model.unk_token: '{unkToken}' is not in the vocabulary");
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, int> Vocabulary => _ids;

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges)
    {
        ids.Add(_lookup.TryGetValue(word, out int id) ? id : _unknown);
        ranges?.Add(new ByteRange(0, Encoding.UTF8.GetByteCount(word)));
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("type", "WordLevel");
        WriteVocabulary(json);
        json.WriteString("unk_token", _unkToken);
        json.WriteEndObject();
    }
}
