using System.Globalization;
using System.Text.RegularExpressions;

namespace Tandem.Models;

/// <summary>
/// Models in several GGUF files, NAME-00001-of-00003.gguf and so on: the first has the metadata, all have tensors. Keys in each say which part it is, of how many, and how many
/// tensors there are in all.
/// </summary>
internal static partial class GgufParts
{
    /// <summary>What the keys about parts begin with.</summary>
    public const string Prefix = "split.";

    private const string NumberKey = Prefix + "no", CountKey = Prefix + "count", TensorsKey = Prefix + "tensors.count";

    /// <summary>Opens the parts behind the first; none for a file that is whole.</summary>
    /// <exception cref="TandemException">A part is missing, or is not the one that its name says.</exception>
    public static List<GgufFile> OpenOthers(GgufFile first)
    {
        var parts = new List<GgufFile>();
        if (!first.Metadata.ContainsKey(CountKey) || first.Int(CountKey, 0, ushort.MaxValue) is <= 1) return parts;
        int count = (int)first.Int(CountKey);
        Match name = PartName().Match(first.Path);
        if (!name.Success || Number(name, "count") != count)
            throw new TandemException($"'{first.Path}' is one of {count} parts; accepted: names such as NAME-00001-of-{count:D5}.gguf, by which the others are found");
        string Place(int part) => string.Create(CultureInfo.InvariantCulture, $"{name.Groups["prefix"].Value}-{part:D5}-of-{count:D5}.gguf");
        if (Number(name, "part") != 1) throw new TandemException($"'{first.Path}' is part {Number(name, "part")} of {count}; accepted: the first, '{Place(1)}'");
        try
        {
            Require(first, 1, count);
            for (int part = 2; part <= count; part++)
            {
                if (!File.Exists(Place(part))) throw new TandemException($"'{first.Path}' is the first of {count} parts; '{Place(part)}' is missing");
                parts.Add(GgufFile.OpenPart(Place(part)));
                Require(parts[^1], part, count);
            }

            int tensors = first.Tensors.Count + parts.Sum(p => p.Tensors.Count);
            if (first.Metadata.ContainsKey(TensorsKey) && first.Int(TensorsKey) != tensors)
                throw new TandemException($"'{first.Path}': the {count} parts have {tensors} tensors; accepted: {first.Int(TensorsKey)}, as {TensorsKey} says");
            return parts;
        }
        catch
        {
            foreach (GgufFile part in parts) part.Dispose();
            throw;
        }
    }

    private static void Require(GgufFile file, int part, int count)
    {
        if (file.Int(NumberKey) != part - 1 || file.Int(CountKey) != count)
            throw new TandemException($"'{file.Path}': {NumberKey} is {file.Int(NumberKey)} and {CountKey} is {file.Int(CountKey)}; accepted: {part - 1} and {count}, as its name says");
    }

    private static int Number(Match name, string group) => int.Parse(name.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?<prefix>.*)-(?<part>[0-9]{5})-of-(?<count>[0-9]{5})\.gguf$", RegexOptions.Singleline)]
    private static partial Regex PartName();
}
