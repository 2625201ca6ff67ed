namespace Tandem.Models;

/// <summary>
/// The normalization forms NFC, NFD, NFKC and NFKD (UAX 15), with tables of our own since the runtime's are not there without ICU and say nothing about
/// places. A composed character stands for the first of the characters that it was composed of; what a character decomposes into stands for that character.
/// </summary>
internal sealed class UnicodeNormalizer(bool compatibility, bool compose) : Normalizer
{
    private const char FirstDecomposed = '\u00a0';

    /// <inheritdoc/>
    public override AlignedText Apply(AlignedText text)
    {
        if (compose && !compatibility ? Canonical.IsComposed(text.Text) : !text.Text.ContainsAnyInRange(FirstDecomposed, char.MaxValue)) return text;
        List<Item> items = Decompose(text.Text);
        if (compose) Compose(items);
        var changes = new TextChanges(items.Count);
        foreach ((int codePoint, int change, _) in items) changes.Add(codePoint, change);
        return changes.Build(text);
    }

    // Full decomposition in canonical order: runs of combining marks are sorted by class, equal ones in their order.
    private List<Item> Decompose(ReadOnlySpan<char> text)
    {
        var items = new List<Item>(text.Length);
        int run = 0;
        Span<int> parts = stackalloc int[Canonical.MaxParts];
        for (int at = 0; at < text.Length;)
        {
            // Half a surrogate pair passes as it is.
            int codePoint = CharSet.CodePointAt(text, at, out int length);
            at += length;
            int count = Canonical.Decompose(codePoint, parts, compatibility);
            for (int i = 0; i < count; i++)
            {
                int combining = Canonical.CombiningClass(parts[i]);
                if (combining == 0)
                {
                    SortRun(items, run);
                    run = items.Count + 1;
                }

                items.Add(new Item(parts[i], i == 0 ? 0 : 1, combining));
            }
        }

        SortRun(items, run);
        return items;
    }

    // A merge sort, since a hostile text may have a run of any length.
    private static void SortRun(List<Item> items, int first)
    {
        bool sorted = true;
        for (int i = first + 1; i < items.Count && sorted; i++) sorted = items[i - 1].Class <= items[i].Class;
        if (sorted) return;
        int k = first;
        foreach (Item item in items.Skip(first).OrderBy(i => i.Class).ToArray()) items[k++] = item;
    }

    // Each mark joins the last starter unless a mark of its class or a higher one stands between.
    private static void Compose(List<Item> items)
    {
        int starter = -1, written = 0, lastClass = -1;
        foreach (Item item in items.ToArray())
        {
            if (starter >= 0 && lastClass < item.Class && Canonical.TryCompose(items[starter].CodePoint, item.CodePoint, out int composed))
            {
                items[starter] = new Item(composed, items[starter].Change + item.Change - 1, 0);
                continue;
            }

            if (item.Class == 0) (starter, lastClass) = (written, -1);
            else lastClass = item.Class;
            items[written++] = item;
        }

        items.RemoveRange(written, items.Count - written);
    }

    // Change: as in TextChanges.
    private readonly record struct Item(int CodePoint, int Change, int Class);
}
