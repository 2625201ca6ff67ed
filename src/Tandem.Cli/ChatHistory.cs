using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tandem.Cli;

/// <summary>A conversation and its plain role format: an optional text first, then lines that start with who speaks.</summary>
internal sealed class ChatHistory
{
    /// <summary>What an answer never contains: the start of the next question.</summary>
    public const string NextTurn = "\nUser:";

    private const int MaxFileBytes = 64 << 20;

    private readonly List<(string User, string Assistant)> _turns = [];

    /// <summary>What stands before the conversation.</summary>
    public string System { get; set; } = "";

    /// <summary>Turns so far.</summary>
    public int Count => _turns.Count;

    /// <summary>The text that the model continues with its answer to <paramref name="question"/>.</summary>
    public string Prompt(string question)
    {
        var text = new StringBuilder();
        if (System.Length > 0) text.Append(System).Append("\n\n");
        foreach ((string user, string assistant) in _turns) text.Append("User: ").Append(user).Append("\nAssistant: ").Append(assistant).Append('\n');
        return text.Append("User: ").Append(question).Append("\nAssistant:").ToString();
    }

    /// <summary>Adds a turn.</summary>
    public void Add(string question, string answer) => _turns.Add((question, answer.Trim()));

    /// <summary>Takes the last turn back; false if there is none.</summary>
    public bool Undo()
    {
        if (_turns.Count == 0) return false;
        _turns.RemoveAt(_turns.Count - 1);
        return true;
    }

    /// <summary>Forgets all turns.</summary>
    public void Reset() => _turns.Clear();

    /// <summary>Writes the conversation as JSON, a list of messages with role and content.</summary>
    public void Save(string path)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartArray();
            if (System.Length > 0) WriteMessage(json, "system", System);
            foreach ((string user, string assistant) in _turns)
            {
                WriteMessage(json, "user", user);
                WriteMessage(json, "assistant", assistant);
            }

            json.WriteEndArray();
        }

        AtomicFile.WriteAllBytes(path, stream.ToArray());
    }

    /// <summary>Reads what <see cref="Save"/> wrote; nothing changes if it is refused.</summary>
    /// <exception cref="TandemException">The file cannot be read or is something else.</exception>
    public void Load(string path)
    {
        string system = "";
        var turns = new List<(string, string)>();
        string? question = null;
        try
        {
            if (new FileInfo(path).Length > MaxFileBytes) throw new TandemException($"'{path}': more than {MaxFileBytes} bytes");
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            foreach (JsonElement message in document.RootElement.EnumerateArray())
            {
                string role = message.GetProperty("role").GetString()!, content = message.GetProperty("content").GetString()!;
                if (role == "system" && turns.Count == 0 && question == null) system = content;
                else if (role == "user" && question == null) question = content;
                else if (role == "assistant" && question != null) turns.Add((Take(ref question), content));
                else throw new TandemException($"'{path}': a message of '{role}' out of order, wanted a system message, then user and assistant in turn");
            }
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot read", path, e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new TandemException($"'{path}' is not a saved conversation: {e.Message}", e);
        }

        System = system;
        _turns.Clear();
        _turns.AddRange(turns);
    }

    private static string Take(ref string? question)
    {
        string taken = question!;
        question = null;
        return taken;
    }

    private static void WriteMessage(Utf8JsonWriter json, string role, string content)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteString("content", content);
        json.WriteEndObject();
    }
}
