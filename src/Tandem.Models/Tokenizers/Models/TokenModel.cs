using System.Runtime.InteropServices;
using System.Text.Json;

namespace Tandem.Models;

/// <summary>A run of the UTF-8 bytes of a word.</summary>
internal readonly record struct ByteRange(int Start, int End);

/// <summary>What turns a word into token ids. Immutable but for caches; safe for many threads.</summary>
internal abstract class TokenModel
{
    private WordCache? _cache;

    /// <summary>Ids by token.</summary>
    public abstract IReadOnlyDictionary<string, int> Vocabulary { get; }

    /// <summary>Merges in order of rank; only BPE has them.</summary>
    public virtual IReadOnlyList<(string Left, string Right)> Merges => [];

    /// <summary>The id whose tokens are shown as the text they were found as, or -1.</summary>
    public virtual int SurfaceId => -1;

    /// <summary>Appends the ids of a word and, where they are wanted, the bytes of the word that each stands for.</summary>
    public abstract void Encode(ReadOnlySpan<char> word, List<int> ids, List<ByteRange>? ranges);

    /// <summary>Appends the ids of words of a text, one after another; short words from a cache of those that came before.</summary>
    public virtual void EncodeWords(ReadOnlySpan<char> text, ReadOnlySpan<Piece> words, List<int> ids)
    {
        WordCache cache = _cache ??= new WordCache(Vocabulary.Count);
        int count = ids.Count;
        Span<int> room = MakeRoom(ids, count, words.Length);
        for (int i = 0; i < words.Length; i++)
        {
            (int start, int length) = words[i];
            bool keep = length <= WordCache.MaxUnits;
            if (keep && cache.TryGet(text, start, length, ref room[count], out int known))
            {
                count += known;
                continue;
            }

            int first = count;
            CollectionsMarshal.SetCount(ids, count);
            Encode(text.Slice(start, length), ids, null);
            count = ids.Count;
            if (keep && count - first <= WordCache.MaxIds) cache.Add(text, start, length, CollectionsMarshal.AsSpan(ids)[first..]);
            room = MakeRoom(ids, count, words.Length - i);
        }

        CollectionsMarshal.SetCount(ids, count);
    }

    /// <summary>Writes the model as in <c>tokenizer.json</c>.</summary>
    public abstract void Write(Utf8JsonWriter json);

    /// <summary>Writes the vocabulary in order of id.</summary>
    protected void WriteVocabulary(Utf8JsonWriter json)
    {
        json.WriteStartObject("vocab");
        foreach ((string token, int id) in Vocabulary.OrderBy(t => t.Value)) json.WriteNumber(token, id);
        json.WriteEndObject();
    }

    private static Span<int> MakeRoom(List<int> ids, int count, int words)
    {
        CollectionsMarshal.SetCount(ids, count + (words * WordCache.MaxIds));
        return CollectionsMarshal.AsSpan(ids);
    }
}
