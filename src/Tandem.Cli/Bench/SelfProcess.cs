using System.Diagnostics;

namespace Tandem.Cli.Bench;

/// <summary>Runs this program once more, for figures that only a process of its own gives.</summary>
internal static class SelfProcess
{
    /// <summary>Runs with these arguments to its end.</summary>
    /// <returns>What it wrote to standard output.</returns>
    /// <exception cref="TandemException">It failed.</exception>
    public static string Run(params ReadOnlySpan<string> arguments)
    {
        var info = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };

        // Started as "dotnet tandem.dll", the program's first argument is the dll.
        if (Path.GetFileNameWithoutExtension(info.FileName) == "dotnet") info.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        foreach (string argument in arguments) info.ArgumentList.Add(argument);
        using Process process = Process.Start(info)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new TandemException($"'{info.FileName} {string.Join(' ', info.ArgumentList)}' ended with {process.ExitCode}");
    }
}
