using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>Shows how a text is cut into tokens.</summary>
internal static class TokenizeCommand
{
    // Backgrounds that neighbours differ in and black text is readable on.
    private static readonly int[] Colours = [117, 157, 223, 219, 229];

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory, tokenizer.json, GGUF file, SentencePiece model or tiktoken rank file" };
        var text = new Argument<string>("text") { Description = "Text; '-' reads standard input" };
        var json = new Option<bool>("--json") { Description = "Tokens as JSON, offsets in bytes" };
        var addSpecial = new Option<bool>("--add-special") { Description = "With the special tokens that the tokenizer puts around a text" };
        var parseSpecial = new Option<bool>("--parse-special") { Description = "Special tokens in the text are tokens, not text" };
        var command = new Command("tokenize", """
            Show the tokens of a text with their ids and offsets in bytes.

            Examples:
              tandem tokenize my-model "Hello, world!"
              tandem tokenize my-model/tokenizer.json - --json < letter.txt
            """)
        {
            model, text, json, addSpecial, parseSpecial,
        };
        command.SetAction(parse =>
        {
            string path = parse.GetValue(model)!, input = parse.GetValue(text)!;
            Tokenizer tokenizer = TokenizerFiles.Load(path);
            if (input == "-") input = Console.In.ReadToEnd();
            TokenEncoding encoding = tokenizer.EncodeWithOffsets(input, null, parse.GetValue(addSpecial), parse.GetValue(parseSpecial) ? SpecialTokens.Parse : SpecialTokens.AsText);
            Console.WriteLine(parse.GetValue(json) ? Json(tokenizer, encoding) : Table(tokenizer, encoding, colours: !Console.IsOutputRedirected));
            return 0;
        });
        return command;
    }

    private static string Table(Tokenizer tokenizer, TokenEncoding encoding, bool colours)
    {
        var line = new StringBuilder();
        var rows = new StringBuilder();
        (int Start, int End)[] offsets = encoding.Offsets(OffsetUnit.Utf8);
        for (int i = 0; i < encoding.Tokens.Count; i++)
        {
            EncodedToken token = encoding.Tokens[i];
            string shown = Shown(tokenizer.Decode([token.Id], skipSpecial: false));
            line.Append(colours ? $"\u001b[30;48;5;{Colours[i % Colours.Length]}m{shown}\u001b[0m" : (i == 0 ? "" : "|") + shown);
            rows.Append(CultureInfo.InvariantCulture, $"\n{token.Id,8}  {$"{offsets[i].Start}..{offsets[i].End}",-12}  {shown}");
        }

        return $"{line}\n{encoding.Tokens.Count} tokens{rows}";
    }

    private static string Shown(string text) => text.Replace("\n", "\\n", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal);

    private static string Json(Tokenizer tokenizer, TokenEncoding encoding)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartArray("tokens");
            foreach ((EncodedToken token, (int start, int end)) in encoding.Tokens.Zip(encoding.Offsets(OffsetUnit.Utf8)))
            {
                json.WriteStartObject();
                json.WriteNumber("id", token.Id);
                json.WriteString("token", token.Text);
                json.WriteString("text", tokenizer.Decode([token.Id], skipSpecial: false));
                json.WriteNumber("start", start);
                json.WriteNumber("end", end);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
