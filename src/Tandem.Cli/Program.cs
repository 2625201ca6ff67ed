using System.CommandLine;
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
    PlanCommand.Create(),
    BenchCommand.Create(),
};

try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
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
