using System.Text.Json;

namespace Tandem.Conformance.Kinds.Training;

/// <summary>The tensors and the entry of one op, and its comparisons by the rule of the training goldens.</summary>
internal sealed class OpCase(GoldenTensors golden, JsonElement entry, Checks checks)
{
    /// <summary>The least tolerance, relative to the largest value of a tensor.</summary>
    public const double LeastTolerance = 2e-6;

    /// <summary>Operands, results, their gradients.</summary>
    public GoldenTensors Golden { get; } = golden;

    /// <summary>The formula in words.</summary>
    public string Formula => entry.GetProperty("formula").GetString()!;

    /// <summary>Names of the attributes that are set.</summary>
    public IEnumerable<string> Attributes =>
        entry.GetProperty("attrs").EnumerateObject().Where(a => a.Value.ValueKind != JsonValueKind.Null).Select(a => a.Name);

    /// <summary>What a deviation may be: ten times that of the reference's own f32 run, at least <see cref="LeastTolerance"/>.</summary>
    public static double Allowed(double deviation) => Math.Max(10 * deviation, LeastTolerance);

    /// <summary>A number among the attributes.</summary>
    public double Number(string name, double? otherwise = null) =>
        Find(name) is { } value ? value.GetDouble() : otherwise ?? throw new TandemException($"attrs.{name} is missing");

    /// <summary>A text among the attributes.</summary>
    public string Text(string name) => Find(name)?.GetString() ?? throw new TandemException($"attrs.{name} is missing");

    /// <summary>A truth value among the attributes; false if it is absent.</summary>
    public bool Flag(string name) => Find(name)?.GetBoolean() ?? false;

    /// <summary>Compares a tensor that the case has.</summary>
    public void Check(string name, float[] actual)
    {
        double deviation = entry.GetProperty("fp32_max_rel").TryGetProperty(name, out JsonElement stored) ? stored.GetDouble() : 0;
        checks.MaxRelative(name, Golden.Floats(name), actual, Allowed(deviation));
    }

    /// <summary>Compares a gradient, if the case has it.</summary>
    public void Check(string name, Func<float[]> actual)
    {
        if (Golden.Has(name)) Check(name, actual());
    }

    /// <summary>A result or gradient that nobody compared is a failure.</summary>
    public void RequireAllCompared()
    {
        foreach (string name in Golden.Names.Where(n => n.StartsWith("out.", StringComparison.Ordinal) || n.StartsWith("grad.", StringComparison.Ordinal)))
        {
            if (!checks.All.Any(c => c.What == name)) checks.Fail(name, "was not compared");
        }
    }

    private JsonElement? Find(string name) =>
        entry.GetProperty("attrs").TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
