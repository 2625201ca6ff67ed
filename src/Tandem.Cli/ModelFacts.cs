using System.Globalization;

namespace Tandem.Cli;

/// <summary>A tensor as tables show it.</summary>
/// <param name="Name">The name.</param>
/// <param name="Type">The element type.</param>
/// <param name="Shape">The sizes, outermost first.</param>
/// <param name="Elements">How many elements.</param>
/// <param name="Bytes">Size of the data.</param>
internal readonly record struct TensorFacts(string Name, string Type, string Shape, long Elements, long Bytes);

/// <summary>Sizes by type, as tables show them.</summary>
internal static class ModelFacts
{
    /// <summary>Prints totals by type and for all.</summary>
    public static void PrintTotals(IReadOnlyList<TensorFacts> tensors)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"type",-10}{"tensors",8}{"elements",18}{"bytes",18}{"bits/weight",13}"));
        foreach (IGrouping<string, TensorFacts> group in tensors.GroupBy(t => t.Type).OrderByDescending(g => g.Sum(t => t.Bytes))) PrintTotal(group.Key, [.. group]);
        PrintTotal("all", tensors);
    }

    /// <summary>Bits that an element takes.</summary>
    public static double BitsPerWeight(IEnumerable<TensorFacts> tensors)
    {
        long bytes = 0, elements = 0;
        foreach (TensorFacts tensor in tensors) (bytes, elements) = (bytes + tensor.Bytes, elements + tensor.Elements);
        return elements == 0 ? 0 : 8.0 * bytes / elements;
    }

    private static void PrintTotal(string name, IReadOnlyList<TensorFacts> tensors) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"{name,-10}{tensors.Count,8:N0}{tensors.Sum(t => t.Elements),18:N0}{tensors.Sum(t => t.Bytes),18:N0}{BitsPerWeight(tensors),13:F2}"));
}
