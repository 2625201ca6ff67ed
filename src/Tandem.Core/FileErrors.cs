using System.Security;

namespace Tandem;

/// <summary>Turns what the operating system says about files into errors that name the path and the cause.</summary>
public static class FileErrors
{
    /// <summary>True for the exceptions that file operations raise for reasons outside the program: missing, forbidden, full, bad path.</summary>
    public static bool IsFileError(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or SecurityException or NotSupportedException or ArgumentException;

    /// <summary>The error to throw, for example <c>cannot write 'out/model.safetensors': no space left on device</c>.</summary>
    /// <param name="what">What could not be done, for example <c>cannot read</c>.</param>
    /// <param name="path">The path, as the user gave it.</param>
    /// <param name="exception">The cause.</param>
    public static TandemException Wrap(string what, string path, Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        var cause = exception switch
        {
            FileNotFoundException => "there is no such file",
            DirectoryNotFoundException => "there is no such folder",
            UnauthorizedAccessException or SecurityException => "permission denied or read-only (" + exception.Message.TrimEnd('.') + ")",
            _ => exception.Message.TrimEnd('.'),
        };
        return new($"{what} '{path}': {cause}", exception);
    }
}
