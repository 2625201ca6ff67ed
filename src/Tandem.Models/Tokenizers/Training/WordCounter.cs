using System.Runtime.InteropServices;

namespace Tandem.Models;

/// <summary>
/// Counts the words of texts for a trainer. Texts are read in blocks, which are counted in parallel; counts are whole numbers, so that they do not depend
/// on threads. What has to fit into memory is the list of different words, and for each thread one block with its own.
/// </summary>
internal sealed class WordCounter(Normalizer? normalizer, PreTokenizer preTokenizer, bool cutAtSpaces = false)
{
    private const int BlockChars = 1 << 20;

    private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);

    /// <summary>The words in the order of their UTF-16 units, with their counts.</summary>
    public (string Word, long Count)[] Sorted() => [.. _counts.OrderBy(w => w.Key, StringComparer.Ordinal).Select(w => (w.Key, w.Value))];

    /// <summary>Counts the words of a document.</summary>
    public void Add(ReadOnlySpan<char> text) => Count(text, _counts);

    /// <summary>Counts the words of a document of any length, as if it were given whole.</summary>
    /// <param name="reader">The document.</param>
    /// <param name="threads">Blocks that are counted at the same time; 0 takes all cores.</param>
    /// <param name="first">What the document's first block becomes, or null.</param>
    /// <param name="cancel">Ends it between blocks.</param>
    public void Add(TextReader reader, int threads, Func<string, string>? first, CancellationToken cancel)
    {
        int atOnce = threads > 0 ? threads : Environment.ProcessorCount;
        var blocks = new List<string>(atOnce);
        foreach (string block in Blocks(reader))
        {
            cancel.ThrowIfCancellationRequested();
            blocks.Add(first == null ? block : first(block));
            first = null;
            if (blocks.Count == atOnce) CountBlocks(blocks);
        }

        CountBlocks(blocks);
    }

    private IEnumerable<string> Blocks(TextReader reader)
    {
        char[] block = new char[BlockChars];
        int held = 0;
        while (true)
        {
            int length = held + reader.ReadBlock(block, held, block.Length - held);
            if (length == 0) yield break;
            bool last = length < block.Length;
            int cut = last ? length : LastCut(block.AsSpan(0, length));
            if (cut > 0) yield return new string(block, 0, cut);
            if (last) yield break;
            held = length - cut;
            block.AsSpan(cut, held).CopyTo(block);

            // One word fills the block.
            if (held == block.Length) Array.Resize(ref block, 2 * block.Length);
        }
    }

    // The last white space before something else begins a word in any case, so that a text can be cut there without changing its words.
    private int LastCut(ReadOnlySpan<char> text)
    {
        for (int i = text.Length - 2; i > 0; i--)
            if ((cutAtSpaces ? text[i] == ' ' : char.IsWhiteSpace(text[i])) && !char.IsWhiteSpace(text[i + 1])) return i;
        return 0;
    }

    private void CountBlocks(List<string> blocks)
    {
        var counts = new Dictionary<string, long>[blocks.Count];
        Parallel.For(0, blocks.Count, i => Count(blocks[i], counts[i] = new Dictionary<string, long>(StringComparer.Ordinal)));
        foreach (Dictionary<string, long> block in counts)
            foreach ((string word, long count) in block) CollectionsMarshal.GetValueRefOrAddDefault(_counts, word, out _) += count;
        blocks.Clear();
    }

    private void Count(ReadOnlySpan<char> text, Dictionary<string, long> counts)
    {
        AlignedText normalized = normalizer == null ? new AlignedText(text, 0) : normalizer.Apply(new AlignedText(text, 0));
        if (normalized.Text.IsEmpty) return;
        List<Piece> pieces = [new Piece(0, normalized.Text.Length)];
        normalized = preTokenizer.Apply(normalized, pieces);
        Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (Piece piece in pieces) CollectionsMarshal.GetValueRefOrAddDefault(lookup, normalized.Text.Slice(piece.Start, piece.Length), out _)++;
    }
}
