namespace Tandem;

/// <summary>
/// An error a user can act on: its message names the place, the offending value and what would be accepted.
/// Broken invariants of the program itself are <see cref="InvalidOperationException"/>.
/// </summary>
public class TandemException : Exception
{
    /// <summary>Creates the error with its message.</summary>
    public TandemException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the error with its message and its cause.</summary>
    public TandemException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
