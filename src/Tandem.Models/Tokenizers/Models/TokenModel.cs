using System.Text.Json;

namespace Tandem.Models;

/// <summary>A run of the UTF-8 bytes of a word.</summary>
internal readonly record struct ByteRange(int Start, int End);

/// <summary>What turns a word into token ids. Immutable but for caches; safe for many threads.</summary>
internal abstract class TokenModel
{
    /// <summary>Ids by token.</summary>
    public abstract IReadOnlyDictionary<string, int> Vocabulary { get; }

    /// <summary>Merges in order of rank; only BPE has them.</summary>
    public virtual IReadOnlyList<(string Left, string Right)> Merges => [];

    /// <summary>The id whose tokens are shown as the text they were found as, or -1.</summary>
    public virtual int SurfaceId => -1;

    /// <summary>Appends the ids of a word and, where they are wanted, the bytes of the word that each stands for.</summary>
    public abstract void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges);

    /// <summary>Writes the model as in <c>tokenizer.json</c>.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>Writes the vocabulary in order of id.</summary>
    protected void WriteVocabulary(Utf8JsonWriter json)
    {
        json.WriteStartObject("vocab");
        foreach ((string token, int id) in Vocabulary.OrderBy(t => t.Value)) json.WriteNumber(token, id);
        json.WriteEndObject();
    }
}
