using Tandem.Training;
using Tandem.Training.Demo;
using Xunit;

namespace Tandem.Integration.Tests;

/// <summary>The demo's checker accepts what its generator makes and refuses what is changed.</summary>
public sealed class StoryTests
{
    [Fact]
    public void Every_story_passes_and_no_two_seeds_are_alike()
    {
        for (int i = 0; i < 3000; i++) Assert.Null(StoryGrammar.Check(StoryGrammar.Story(1, i)));
        Assert.Equal(StoryGrammar.Story(1, 5), StoryGrammar.Story(1, 5));
        Assert.NotEqual(StoryGrammar.Story(1, 5), StoryGrammar.Story(2, 5));
    }

    [Fact]
    public void A_wrong_answer_a_missing_sentence_or_a_swapped_name_is_refused()
    {
        int swapped = 0;
        for (int i = 0; i < 300; i++)
        {
            string story = StoryGrammar.Story(3, i);
            Assert.NotNull(StoryGrammar.Check(story[..^9]));
            Assert.NotNull(StoryGrammar.Check(story.Replace(" The end.", " Nothing. The end.", StringComparison.Ordinal)));
            int question = story.LastIndexOf("? ", StringComparison.Ordinal);
            string answer = story[(question + 2)..].Split(' ')[0], other = answer == "Anna" ? "Ben" : "Anna";
            Assert.NotNull(StoryGrammar.Check(story[..(question + 2)] + other + story[(question + 2 + answer.Length)..]));
            string first = story.Split(' ')[0];
            if (StoryGrammar.Check(story.Replace(first + " gives", (first == "Anna" ? "Ben" : "Anna") + " gives", StringComparison.Ordinal)) != null) swapped++;
        }

        Assert.True(swapped > 60, $"only {swapped} of 300 swaps were noticed");
    }

    [Fact]
    public void The_shuffle_is_a_permutation_every_time_round()
    {
        foreach (int n in (int[])[1, 2, 7, 100, 1023])
        {
            long[] first = [.. Enumerable.Range(0, n).Select(i => Permutation.At(n, 5, i))], second = [.. Enumerable.Range(n, n).Select(i => Permutation.At(n, 5, i))];
            Assert.Equal(Enumerable.Range(0, n).Select(i => (long)i), first.Order());
            Assert.Equal(Enumerable.Range(0, n).Select(i => (long)i), second.Order());
            if (n > 7) Assert.NotEqual(first, second);
        }
    }
}
