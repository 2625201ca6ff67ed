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
        string[] items = random.Distinct(Things, 3);
        var owner = new Dictionary<string, string> { [items[0]] = people[0], [items[1]] = people[1] };
        var place = new Dictionary<string, string>();
        var story = new StringBuilder($"{people[0]} has a {items[0]}. {people[1]} has a {items[1]}.");
        int events = 2 + random.Below(3);
        for (int i = 0; i < events; i++)
        {
            switch (random.Below(4))
            {
                case 0 or 1:
                    string item = random.Of([.. owner.Keys]);
                    string to = random.Of([.. people.Where(p => p != owner[item])]);
                    story.Append($" {owner[item]} gives the {item} to {to}. Now {to} has the {item}.");
                    owner[item] = to;
                    break;
                case 2 when !owner.ContainsKey(items[2]):
                    string finder = random.Of(people);
                    story.Append($" {finder} finds a {items[2]}.");
                    owner[items[2]] = finder;
                    break;
                default:
                    string who = random.Of(people), where = random.Of(Places);
                    story.Append($" {who} goes to the {where}. Now {who} is in the {where}.");
                    place[who] = where;
                    break;
            }
        }

        if (place.Count > 0 && random.Below(2) == 0)
        {
            string who = random.Of([.. place.Keys]);
            story.Append($" Where is {who}? {who} is in the {place[who]}.");
        }
        else
        {
            string item = random.Of([.. owner.Keys]);
            story.Append($" Who has the {item}? {owner[item]} has the {item}.");
        }

        return story.Append(" The end.").ToString();
    }

    /// <summary>Null if the story is one of the language and its facts agree; otherwise what is wrong.</summary>
    public static string? Check(string story)
    {
        string[] sentences = Sentences(story.Trim());
        if (sentences.Length is < 7 or > 13) return $"{sentences.Length} sentences, wanted 7 to 13";
        if (sentences[^1] != "The end.") return $"ends with '{sentences[^1]}'";
        var owner = new Dictionary<string, string>();
        var place = new Dictionary<string, string>();
        for (int i = 0; i < sentences.Length - 3; i++)
        {
            string? now = null;
            string? problem = i < 2 ? Opening(sentences[i], owner) : Event(sentences[i], owner, place, out now);
            if (problem == null && now != null && sentences[++i] != now) problem = $"'{sentences[i]}', wanted '{now}'";
            if (problem != null) return problem;
        }

        if (owner.Values.Concat(place.Keys).Distinct().Count() > 3) return "more than three people";
        return Answer(sentences[^3], sentences[^2], owner, place);
    }

    private static string? Opening(string sentence, Dictionary<string, string> owner)
    {
        if (!Match(sentence, " has a ", out string person, out string item) || !IsItem(item)) return $"'{sentence}' is no opening";
        if (owner.ContainsValue(person)) return $"{person} opens twice";
        return NewItem(owner, item, person);
    }

    // What must be said next, where an event has a consequence, comes out as "now".
    private static string? Event(string sentence, Dictionary<string, string> owner, Dictionary<string, string> place, out string? now)
    {
        now = null;
        if (Match(sentence, " finds a ", out string person, out string rest) && IsItem(rest))
            return owner.Count == 3 ? "two finds" : NewItem(owner, rest, person);
        if (Match(sentence, " goes to the ", out person, out rest) && Places.Contains(rest))
        {
            place[person] = rest;
            now = $"Now {person} is in the {rest}.";
            return null;
        }

        if (!Match(sentence, " gives the ", out person, out rest) || !rest.Contains(" to ", StringComparison.Ordinal)) return $"'{sentence}' is no event";
        string[] parts = rest.Split(" to ");
        if (parts.Length != 2 || !People.Contains(parts[1])) return $"'{sentence}' is no event";
        if (owner.GetValueOrDefault(parts[0]) != person) return $"{person} gives a {parts[0]} that {owner.GetValueOrDefault(parts[0]) ?? "nobody"} has";
        if (parts[1] == person) return $"{person} gives to {person}";
        owner[parts[0]] = parts[1];
        now = $"Now {parts[1]} has the {parts[0]}.";
        return null;
    }

    private static string? Answer(string question, string answer, Dictionary<string, string> owner, Dictionary<string, string> place)
    {
        if (question.StartsWith("Where is ", StringComparison.Ordinal) && question.EndsWith('?'))
        {
            string who = question["Where is ".Length..^1];
            if (!place.TryGetValue(who, out string? where)) return $"nobody said where {who} is";
            return answer == $"{who} is in the {where}." ? null : $"'{question}' '{answer}', it is the {where}";
        }

        if (!question.StartsWith("Who has the ", StringComparison.Ordinal) || !question.EndsWith('?')) return $"'{question}' is no question";
        string item = question["Who has the ".Length..^1];
        if (!owner.TryGetValue(item, out string? has)) return $"there is no {item}";
        return answer == $"{has} has the {item}." ? null : $"'{question}' '{answer}', it is {has}";
    }

    private static string? NewItem(Dictionary<string, string> owner, string item, string person) => owner.TryAdd(item, person) ? null : $"two of {item}";

    private static bool Match(string sentence, string verb, out string person, out string rest)
    {
        int at = sentence.IndexOf(verb, StringComparison.Ordinal);
        person = at > 0 ? sentence[..at] : "";
        rest = at > 0 && sentence.EndsWith('.') ? sentence[(at + verb.Length)..^1] : "";
        return rest.Length > 0 && People.Contains(person);
    }

    private static bool IsItem(string item) => Things.Contains(item);

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
