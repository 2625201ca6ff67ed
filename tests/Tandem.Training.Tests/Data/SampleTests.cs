using CsCheck;
using Tandem.Graph;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>Sample i is a function of the seed and i; an epoch has every token once; blends are exact.</summary>
public sealed class SampleTests
{
    private static readonly Gen<int[]> s_lengths = Gen.Int[1, 70].Array[1, 30];

    [Fact]
    public void Every_token_of_every_document_is_trained_on_once_an_epoch() => Gen.Select(s_lengths, Gen.Int[2, 40], Gen.ULong, Gen.Bool).Sample(
        (lengths, length, seed, masks) =>
        {
            TokenList list = Documents(lengths);
            if (list.NumTokens < 2) return;
            var source = new SequenceSource(new Corpus(list), masks ? Packing.Documents : Packing.Windows, length, seed);
            for (int epoch = 0; epoch < 2; epoch++)
            {
                var seen = new List<int>();
                for (long i = 0; i < source.NumSequences; i++)
                {
                    foreach ((int[] tokens, int[] labels) in Segments(source, (epoch * source.NumSequences) + i, length))
                    {
                        seen.AddRange(tokens);
                        for (int t = 0; t < tokens.Length; t++)
                        {
                            // Tokens are numbered in order; a label is the next one, none at a document's end (with masks) or at the text's.
                            bool ends = masks ? IsLast(list, tokens[t]) : tokens[t] == list.NumTokens - 1;
                            Assert.Equal(ends ? -100 : tokens[t] + 1, labels[t]);
                        }

                        if (masks) Assert.Single(tokens.Select(t => DocumentOf(list, t)).Distinct());
                    }
                }

                // Without masks the very last token, which predicts nothing, may have no window.
                seen.Sort();
                Assert.Equal(Enumerable.Range(0, (int)list.NumTokens - (!masks && seen.Count == list.NumTokens - 1 ? 1 : 0)), seen);
            }
        },
        iter: 300);

    [Fact]
    public void Whole_documents_stay_whole() => Gen.Select(s_lengths, Gen.ULong).Sample(
        (lengths, seed) =>
        {
            TokenList list = Documents(lengths);
            if (list.NumTokens < 2) return;
            var source = new SequenceSource(new Corpus(list), Packing.Documents, 32, seed);
            for (long i = 0; i < source.NumSequences; i++)
            {
                (int[] Tokens, int[] Labels)[] segments = Segments(source, i, 32);
                Assert.InRange(segments.Length, 1, source.MaxDocuments);
                Assert.InRange(segments.Sum(s => s.Tokens.Length), 1, 32);
                foreach ((int[] tokens, _) in segments)
                {
                    int document = DocumentOf(list, tokens[0]);
                    if (lengths[document] <= 32) Assert.Equal(lengths[document], tokens.Length);
                }
            }
        },
        iter: 200);

    [Fact]
    public void The_microbatches_of_a_step_do_not_change_its_samples() => Gen.Select(s_lengths, s_lengths, Gen.Int[1, 6], Gen.Int[1, 6], Gen.Bool).Sample(
        (a, b, batch, steps, random) =>
        {
            TokenList one = Documents([.. a, 50]), two = Documents([.. b, 50]);
            Packing packing = random ? Packing.Random : Packing.Documents;
            Blend Source(int perBatch) => new([new SequenceSource(new Corpus(one), packing, 16, 1), new SequenceSource(new Corpus(two), packing, 16, 2)], [0.3, 0.7], perBatch);
            int[] Tokens(int perBatch, int microbatches)
            {
                Blend source = Source(perBatch);
                var all = new List<int>();
                using var rows = Batch.ForTraining(StepSizes.ForTraining(perBatch * 16, source.MaxDocuments));
                for (int m = 0; m < microbatches; m++)
                {
                    rows.Clear();
                    source.Fill(rows, m);
                    all.AddRange(rows.Tokens.Span<int>()[..rows.NumRows]);
                    all.AddRange(rows.Labels.Span<int>()[..rows.NumRows]);
                }

                all.Sort();
                return [.. all];
            }

            Assert.Equal(Tokens(batch * steps, 1), Tokens(batch, steps));
            Assert.Equal(Tokens(batch * steps, 1), Tokens(1, batch * steps));
        },
        iter: 100);

    [Fact]
    public void A_blend_keeps_its_proportions_and_each_sources_own_order() => Gen.Double[0.01, 10].Array[1, 8].Sample(
        weights =>
        {
            TokenList list = Documents([.. Enumerable.Repeat(5, 7)]);
            var blend = new Blend([.. weights.Select(_ => new SequenceSource(new Corpus(list), Packing.Documents, 8, 3))], weights, 1);
            var counts = new long[weights.Length];
            for (long i = 0; i < 2000; i++)
            {
                (int source, long own) = blend.Place(i);
                Assert.Equal(counts[source]++, own);
                for (int s = 0; s < weights.Length; s++) Assert.InRange(counts[s] - ((i + 1) * weights[s] / weights.Sum()), -weights.Length - 0.01, weights.Length + 0.01);
            }
        },
        iter: 50);

    [Fact]
    public void Splits_share_out_every_token_once() => Gen.Select(s_lengths, Gen.Double[0, 0.9], Gen.ULong, Gen.Bool).Sample(
        (lengths, share, seed, tail) =>
        {
            TokenList list = Documents(lengths);
            (Corpus train, Corpus validation) = tail ? Corpus.SplitTail(list, share) : Corpus.SplitDocuments(list, share, seed);
            int[] first = All(train), second = All(validation);
            Assert.Equal(Enumerable.Range(0, (int)list.NumTokens), first.Concat(second).Order());
            Assert.Equal(list.TextStart(list.NumDocuments), train.TextBytes + validation.TextBytes);
            if (tail) Assert.Equal((long)(list.NumTokens * share), validation.NumTokens);
            else Assert.Empty(first.Select(t => DocumentOf(list, t)).Intersect(second.Select(t => DocumentOf(list, t))));
            foreach (Corpus part in (Corpus[])[train, validation])
                for (long d = 0; d < part.NumDocuments; d++) Assert.Equal(d, part.DocumentAt(part.DocumentStart(d)));
        },
        iter: 300);

    [Fact]
    public void Another_seed_and_another_epoch_have_another_order()
    {
        TokenList list = Documents([.. Enumerable.Repeat(8, 200)]);
        int[] Order(ulong seed, int epoch)
        {
            var source = new SequenceSource(new Corpus(list), Packing.Documents, 8, seed);
            return [.. Enumerable.Range(0, 200).SelectMany(i => Segments(source, (epoch * 200) + i, 8)).Select(s => s.Tokens[0])];
        }

        Assert.Equal(Order(1, 0), Order(1, 0));
        Assert.NotEqual(Order(1, 0), Order(2, 0));
        Assert.NotEqual(Order(1, 0), Order(1, 1));
    }

    [Fact]
    public void Filling_a_batch_allocates_nothing()
    {
        var blend = new Blend([new SequenceSource(new Corpus(Documents([.. Enumerable.Repeat(9, 60)])), Packing.Documents, 32, 1)], null, 2);
        using var batch = Batch.ForTraining(StepSizes.ForTraining(64, blend.MaxDocuments));
        for (int i = 0; i < 20; i++) Fill(i);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 20; i < 60; i++) Fill(i);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Fill(int i)
        {
            batch.Clear();
            blend.Fill(batch, i);
        }
    }

    [Fact]
    public void Too_little_text_and_wrong_weights_are_refused()
    {
        var corpus = new Corpus(Documents([5]));
        Assert.Contains("5 tokens, wanted at least 9", Assert.Throws<TandemException>(() => new SequenceSource(corpus, Packing.Random, 8, 1)).Message, StringComparison.Ordinal);
        var source = new SequenceSource(corpus, Packing.Documents, 8, 1);
        Assert.Throws<TandemException>(() => new Blend([source], [1, 2], 1));
        Assert.Contains("NaN", Assert.Throws<TandemException>(() => new Blend([source], [double.NaN], 1)).Message, StringComparison.Ordinal);
    }

    // Documents whose tokens are numbered through, so that a token says where it stands.
    private static TokenList Documents(int[] lengths)
    {
        var list = new TokenList("documents");
        int next = 0;
        foreach (int length in lengths)
        {
            list.Add([.. Enumerable.Range(next, length)], 3 * length);
            next += length;
        }

        return list;
    }

    private static int DocumentOf(TokenList list, int token) => (int)new Corpus(list).DocumentAt(token);

    private static bool IsLast(TokenList list, int token) => list.DocumentStart(DocumentOf(list, token) + 1) == token + 1;

    private static int[] All(Corpus corpus)
    {
        var tokens = new int[corpus.NumTokens];
        if (tokens.Length > 0) corpus.Read(0, tokens);
        return tokens;
    }

    private static (int[] Tokens, int[] Labels)[] Segments(SequenceSource source, long sample, int length)
    {
        using var batch = Batch.ForTraining(StepSizes.ForTraining(length, source.MaxDocuments));
        source.AddSample(batch, sample, sample);
        return [.. Enumerable.Range(0, batch.View.NumSegments).Select(i => Segment(batch, i))];
    }

    private static unsafe (int[] Tokens, int[] Labels) Segment(Batch batch, int index)
    {
        Segment segment = batch.View.Segments[index];
        Assert.Equal(0, segment.FirstPosition);
        return (batch.Tokens.Span<int>().Slice(segment.FirstRow, segment.NumRows).ToArray(), batch.Labels.Span<int>().Slice(segment.FirstRow, segment.NumRows).ToArray());
    }
}
