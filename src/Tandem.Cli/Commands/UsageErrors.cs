using System.CommandLine;
using System.CommandLine.Parsing;

namespace Tandem.Cli.Commands;

/// <summary>What is wrong with a command line, in a line each, and where to read on. The parser by itself would take a misspelt option for a text.</summary>
internal static class UsageErrors
{
    /// <summary>Prints them.</summary>
    /// <returns>False if there are none.</returns>
    public static bool Print(ParseResult parse, TextWriter output)
    {
        string[] errors = [.. UnknownOptions(parse)];
        if (errors.Length == 0) errors = [.. Problems(parse)];
        if (errors.Length == 0) return false;
        foreach (string error in errors) output.WriteLine("error: " + error);
        output.WriteLine($"see '{Path(parse.CommandResult)} --help'");
        return true;
    }

    private static IEnumerable<string> Problems(ParseResult parse)
    {
        if (parse.Errors.Count == 0) yield break;
        Command command = parse.CommandResult.Command;
        if (command.Subcommands.Count > 0 && parse.UnmatchedTokens is [{ } word, ..])
        {
            string[] names = [.. command.Subcommands.Select(c => c.Name)];
            yield return Spelling.Nearest(word, names) is { } nearest ? $"there is no command '{word}'; did you mean {nearest}?" : $"there is no command '{word}'; accepted: {string.Join(", ", names)}";
            yield break;
        }

        foreach (ParseError error in parse.Errors) yield return error.Message;
    }

    private static IEnumerable<string> UnknownOptions(ParseResult parse)
    {
        string[] names = [.. parse.CommandResult.Command.Options.SelectMany(o => (string[])[o.Name, .. o.Aliases]).Where(n => n.StartsWith("--", StringComparison.Ordinal))];
        foreach (Token token in parse.Tokens)
        {
            if (token.Type == TokenType.DoubleDash) yield break;
            if (token.Type != TokenType.Argument || !token.Value.StartsWith("--", StringComparison.Ordinal)) continue;
            string hint = Spelling.Nearest(token.Value, names) is { } nearest ? $"did you mean {nearest}?" : $"accepted: {string.Join(", ", names)}";
            yield return $"there is no option '{token.Value}'; {hint} (write -- before a text that begins with --)";
        }
    }

    private static string Path(CommandResult? command) => command?.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : "tandem";
}
