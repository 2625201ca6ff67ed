namespace Tandem.Models;

/// <summary>The table of families.</summary>
internal static class ModelFamilies
{
    /// <summary>All families, in the order of messages.</summary>
    public static IReadOnlyList<ModelFamily> All { get; } = [Gpt2.Family, Llama.Family, Mistral.Family, Qwen2.Family, Qwen3.Family];

    /// <summary>The family of that name; <paramref name="place"/> names the config in errors.</summary>
    /// <exception cref="TandemException">It is not supported.</exception>
    public static ModelFamily Get(string? modelType, string place)
    {
        foreach (ModelFamily family in All)
            if (family.ModelType == modelType) return family;
        string problem = modelType is null ? "is missing" : $"{CheckpointException.Quote(modelType)} is not supported";
        throw new TandemException($"{place}: model_type {problem}; accepted: {string.Join(", ", All.Select(f => f.ModelType))}");
    }
}
