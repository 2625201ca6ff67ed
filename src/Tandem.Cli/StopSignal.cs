using System.Runtime.InteropServices;

namespace Tandem.Cli;

/// <summary>Ctrl-C (and a request to terminate) as a token: the first lets the work end in good order, the second ends the process.</summary>
internal sealed class StopSignal : IDisposable
{
    /// <summary>Exit code of a command that was stopped.</summary>
    public const int ExitCode = 130;

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    /// <param name="message">Said at the first signal.</param>
    public StopSignal(string message)
    {
        void Handle(PosixSignalContext context)
        {
            if (_source.IsCancellationRequested) return;
            context.Cancel = true;
            Console.Error.WriteLine(message);
            _source.Cancel();
        }

        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        _source.Dispose();
    }
}
