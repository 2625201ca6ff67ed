using System.Text;

namespace Tandem.Training.Demo;

/// <summary>
/// A little language of stories whose facts can be checked: who has what, who is where. Story i is a function of the seed and i.
/// <see cref="Check"/> accepts exactly the stories that the sentences and the facts allow.
/// </summary>
public static class StoryGrammar
{
    private static readonly string[] People = ["Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo"];
    private static readonly string[] Things = ["ball", "kite", "book", "hat", "drum", "cup", "lamp", "boat", "rope", "bell", "coin", "doll"];
    private static readonly string[] Places = ["garden", "kitchen", "forest", "market", "school", "tower"];

    /// <summary>Story <paramref name="index"/> of a seed, one line.</summary>
    public static string Story(ulong seed, long index)
    {
        var random = new Draws(Philox.Stream(seed, "story", (ulong)index));
        string[] people = random.Distinct(People, 3);
        string item = random.Of(Things), owner = people[0];
        var place = new Dictionary<string, string> { [people[1]] = random.Of(Places) };
        var story = new StringBuilder($"{owner} has a {item}. {people[1]} is in the {place[people[1]]}.");
        int events = 2 + random.Below(3);
        for (int i = 0; i < events; i++)
        {
            if (random.Below(2) == 0)
            {
                string to = random.Of([.. people.Where(p => p != owner)]);
                story.Append($" {owner} gives the {item} to {to}. Now {to} has the {item}.");
                owner = to;
            }
            else
            {
                string who = random.Of(people), where = random.Of(Places);
                story.Append($" {who} goes to the {where}. Now {who} is in the {where}.");
                place[who] = where;
            }
        }

        if (random.Below(2) == 0)
        {
            string who = random.Of([.. place.Keys]);
            story.Append($" Where is {who}? {who} is in the {place[who]}.");
        }
        else
        {
            story.Append($" Who has the {item}? {owner} has the {item}.");
        }

        return story.Append(" The end.").ToString();
    }

    /// <summary>Null if the story is one of the language and its facts agree; otherwise what is wrong.</summary>
    public static string? Check(string story)
    {
        string[] sentences = Sentences(story.Trim());
        if (sentences.Length is < 9 or > 13) return $"{sentences.Length} sentences, wanted 9 to 13";
        if (sentences[^1] != "The end.") return $"ends with '{sentences[^1]}'";
        if (!Match(sentences[0], " has a ", out string owner, out string item) || !Things.Contains(item)) return $"'{sentences[0]}' is no beginning";
        if (!Match(sentences[1], " is in the ", out string person, out string where) || !Places.Contains(where)) return $"'{sentences[1]}' is no second sentence";
        if (person == owner) return $"{person} begins twice";
        var people = new HashSet<string> { owner, person };
        var place = new Dictionary<string, string> { [person] = where };
        for (int i = 2; i < sentences.Length - 3; i += 2)
        {
            string now = Event(sentences[i], item, ref owner, place, people, out string? problem);
            if (problem == null && sentences[i + 1] != now) problem = $"'{sentences[i + 1]}', wanted '{now}'";
            if (problem != null) return problem;
        }

        if (people.Count > 3) return "more than three people";
        return Answer(sentences[^3], sentences[^2], item, owner, place);
    }

    // Changes the facts and gives the sentence that must follow.
    private static string Event(string sentence, string item, ref string owner, Dictionary<string, string> place, HashSet<string> people, out string? problem)
    {
        problem = null;
        if (Match(sentence, " goes to the ", out string person, out string where) && Places.Contains(where))
        {
            people.Add(person);
            place[person] = where;
            return $"Now {person} is in the {where}.";
        }

        if (!Match(sentence, $" gives the {item} to ", out person, out string to) || !People.Contains(to)) problem = $"'{sentence}' is no event";
        else if (person != owner) problem = $"{person} gives the {item} that {owner} has";
        else if (to == owner) problem = $"{person} gives to {person}";
        people.Add(to);
        owner = to;
        return $"Now {to} has the {item}.";
    }

    private static string? Answer(string question, string answer, string item, string owner, Dictionary<string, string> place)
    {
        if (question == $"Who has the {item}?") return answer == $"{owner} has the {item}." ? null : $"'{question}' '{answer}', it is {owner}";
        if (!question.StartsWith("Where is ", StringComparison.Ordinal) || !question.EndsWith('?')) return $"'{question}' is no question";
        string who = question["Where is ".Length..^1];
        if (!place.TryGetValue(who, out string? where)) return $"nobody said where {who} is";
        return answer == $"{who} is in the {where}." ? null : $"'{question}' '{answer}', it is the {where}";
    }

    private static bool Match(string sentence, string verb, out string person, out string rest)
    {
        int at = sentence.IndexOf(verb, StringComparison.Ordinal);
        person = at > 0 ? sentence[..at] : "";
        rest = at > 0 && sentence.EndsWith('.') ? sentence[(at + verb.Length)..^1] : "";
        return rest.Length > 0 && People.Contains(person);
    }

    private static string[] Sentences(string story)
    {
        var sentences = new List<string>();
        int start = 0;
        for (int i = 0; i < story.Length; i++)
        {
            if (story[i] is not ('.' or '?')) continue;
            sentences.Add(story[start..(i + 1)]);
            start = i + 1 < story.Length && story[i + 1] == ' ' ? i + 2 : i + 1;
        }

        if (start < story.Length) sentences.Add(story[start..]);
        return [.. sentences];
    }

    private sealed class Draws(PhiloxStream stream)
    {
        private ulong _next;

        public int Below(int n) => (int)(((ulong)stream.UInt32(_next++) * (ulong)n) >> 32);

        public string Of(IReadOnlyList<string> choices) => choices[Below(choices.Count)];

        public string[] Distinct(string[] choices, int count)
        {
            var left = choices.ToList();
            var drawn = new string[count];
            for (int i = 0; i < count; i++)
            {
                int at = Below(left.Count);
                drawn[i] = left[at];
                left.RemoveAt(at);
            }

            return drawn;
        }
    }
}
