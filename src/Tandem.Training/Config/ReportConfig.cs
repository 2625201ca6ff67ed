using Tandem.Models;

namespace Tandem.Training;

/// <summary>What a run writes about itself, into its output folder.</summary>
public sealed record ReportConfig
{
    /// <summary>The keys.</summary>
    public static IReadOnlyList<ConfigKey> Keys { get; } =
    [
        new("tensorboard", "boolean", "true", "true or false", "Whether the folder tensorboard gets event files"),
        new("html", "boolean", "true", "true or false", "Whether report.html is written at the end"),
    ];

    /// <summary>Whether event files for TensorBoard are written.</summary>
    public bool TensorBoard { get; init; } = true;

    /// <summary>Whether <c>report.html</c> is written.</summary>
    public bool Html { get; init; } = true;

    internal static ReportConfig Read(ConfigReader reader) => new() { TensorBoard = reader.Bool("tensorboard", true), Html = reader.Bool("html", true) };
}
