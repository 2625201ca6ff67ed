using System.Runtime.InteropServices;

namespace Tandem.Cli;

/// <summary>Ctrl-C (and a request to terminate) as a token: the first asks for a clean end, the second ends the process at once.</summary>
internal sealed class Interrupt : IDisposable
{
    /// <summary>Exit code of a command that was interrupted.</summary>
    public const int ExitCode = 130;

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly string? _message;

    /// <param name="message">What is said at the first signal; null says nothing.</param>
    public Interrupt(string? message = null)
    {
        _message = message;
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal), PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal)];
    }

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        _source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        if (_source.IsCancellationRequested) return;
        context.Cancel = true;
        if (_message != null) Console.Error.WriteLine(_message);
        _source.Cancel();
    }
}
