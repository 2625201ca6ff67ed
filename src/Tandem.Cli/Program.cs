using System.CommandLine;
using System.CommandLine.Help;
using Tandem;
using Tandem.Cli.Commands;

var root = new RootCommand("Tandem trains and serves language models. Try: tandem demo")
{
    DemoCommand.Create(),
    TrainCommand.Create(),
    DataCommand.Create(),
    GenerateCommand.Create(),
    ChatCommand.Create(),
    TokenizeCommand.Create(),
    TokenizerCommand.Create(),
    TemplateCommand.Create(),
    PlanCommand.Create(),
    EvalCommand.Create(),
    BenchCommand.Create(),
};

try
{
    ParseResult parse = root.Parse(args.Length == 0 ? ["--help"] : args);
    if (parse.Action is not HelpAction && UsageErrors.Print(parse, Console.Error)) return 1;
    return await parse.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (TandemException e)
{
    Console.Error.WriteLine("error: " + e.Message);
    return 1;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("cancelled");
    return 130;
}
