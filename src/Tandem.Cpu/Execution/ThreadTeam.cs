using System.Runtime.ExceptionServices;

namespace Tandem.Cpu;

/// <summary>Work that a team does together: items that any worker may claim in any order.</summary>
public interface ITeamJob
{
    /// <summary>Does one item.</summary>
    void Run(int item, int worker);
}

/// <summary>
/// Threads that share work items by an atomic counter; the caller is worker 0. Workers spin briefly between jobs, since the next one mostly comes within
/// microseconds, then park: an idle team costs nothing.
/// </summary>
public sealed class ThreadTeam : IDisposable
{
    // The next job mostly comes within a microsecond: the first looks are close together.
    private const int SpinRounds = 2000, ShortRounds = 500;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim[] _wake;
    private readonly int[] _parked;
    private readonly bool _mayspin;
    private ITeamJob? _job;
    private int _items;
    private volatile int _generation;
    private int _next;
    private int _running;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _stop;

    /// <summary>Starts a team of <paramref name="workers"/> threads, the caller's included; 0 is one a core.</summary>
    public ThreadTeam(int workers = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(workers);
        Workers = workers == 0 ? Environment.ProcessorCount : workers;
        _mayspin = Workers <= Environment.ProcessorCount;
        _threads = new Thread[Workers - 1];
        _parked = new int[_threads.Length];
        _wake = [.. _threads.Select(_ => new SemaphoreSlim(0))];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"tandem-worker-{worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>Number of workers.</summary>
    public int Workers { get; }

    /// <summary>Does items 0 .. items-1 of the job and returns when all are done.</summary>
    public void Run(ITeamJob job, int items)
    {
        if (items <= 0) return;
        if (items == 1 || _threads.Length == 0)
        {
            for (int i = 0; i < items; i++) job.Run(i, 0);
            return;
        }

        _job = job;
        _items = items;
        _failure = null;
        Volatile.Write(ref _next, 0);
        Volatile.Write(ref _running, _threads.Length);
        Interlocked.Increment(ref _generation);
        WakeParked();
        Claim(0);
        var spinner = new SpinWait();
        int spun = 0;
        while (Volatile.Read(ref _running) != 0)
        {
            if (_mayspin && spun++ < SpinRounds) Thread.SpinWait(spun < ShortRounds ? 1 : 20);
            else spinner.SpinOnce();
        }

        _failure?.Throw();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_stop) return;
        _stop = true;
        Interlocked.Increment(ref _generation);
        WakeParked();
        foreach (Thread thread in _threads) thread.Join();
        foreach (SemaphoreSlim wake in _wake) wake.Dispose();
    }

    private void Claim(int worker)
    {
        try
        {
            for (int item = Interlocked.Increment(ref _next) - 1; item < _items; item = Interlocked.Increment(ref _next) - 1) _job!.Run(item, worker);
        }
        catch (Exception e) when (worker != 0)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
        }
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (true)
        {
            WaitForWork(worker - 1, seen);
            if (_stop) return;
            seen = _generation;
            Claim(worker);
            Interlocked.Decrement(ref _running);
        }
    }

    // A worker announces that it parks and then looks at the generation once more; a job counts itself before it looks who is parked.
    // Whoever clears the flag decides: the job, which then owes a wake-up, or the worker, which then does not sleep.
    // Each worker has its own semaphore, or a quick one could take the wake-up of a slow one.
    private void WaitForWork(int index, int seen)
    {
        for (int i = 0; _mayspin && i < SpinRounds && _generation == seen && !_stop; i++) Thread.SpinWait(i < ShortRounds ? 1 : 20);
        while (_generation == seen && !_stop)
        {
            Interlocked.Exchange(ref _parked[index], 1);
            bool mustSleep = (_generation == seen && !_stop) || Interlocked.Exchange(ref _parked[index], 0) == 0;
            if (mustSleep) _wake[index].Wait();
        }
    }

    private void WakeParked()
    {
        for (int i = 0; i < _parked.Length; i++)
            if (Interlocked.Exchange(ref _parked[i], 0) == 1) _wake[i].Release();
    }
}
