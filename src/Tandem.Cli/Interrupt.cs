namespace Tandem.Cli;

/// <summary>Ctrl-C as a token: the first press asks for a clean end, the second ends the process at once.</summary>
internal sealed class Interrupt : IDisposable
{
    /// <summary>Exit code of a command that was interrupted.</summary>
    public const int ExitCode = 130;

    private readonly CancellationTokenSource _source = new();

    public Interrupt() => Console.CancelKeyPress += OnPress;

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        Console.CancelKeyPress -= OnPress;
        _source.Dispose();
    }

    private void OnPress(object? sender, ConsoleCancelEventArgs e)
    {
        e.Cancel = !_source.IsCancellationRequested;
        _source.Cancel();
    }
}
