namespace Tandem.Models;

/// <summary>Writes the model of a GGUF file as a Hugging Face directory.</summary>
public static class GgufToDirectory
{
    private const string TemplateFile = "chat_template.jinja";

    /// <summary>The type that a tensor will be written in: its own where directories have it, else the given one.</summary>
    public static DType TypeOf(StoredTensor tensor, DType expanded)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.ElementType is DType.F32 or DType.F16 or DType.BF16 ? tensor.ElementType.Value : tensor.Type == StoredType.F64 ? DType.F32 : expanded;
    }

    /// <summary>Why the file's vocabulary has no form in tokenizer.json; null if it has one.</summary>
    public static string? VocabularyProblem(GgufModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Vocabulary(model).Problem;
    }

    /// <summary>Writes weights, config, generation config, chat template and, where it has a form there, the vocabulary as tokenizer.json.</summary>
    /// <param name="model">The open file.</param>
    /// <param name="folder">The directory; one that is not there yet appears whole or not at all.</param>
    /// <param name="expanded">The type of what is quantized in the file: f32, f16 or bf16.</param>
    /// <param name="overwrite">Whether a model in the directory may be replaced.</param>
    /// <param name="progress">Told after each piece; null tells nobody.</param>
    /// <param name="cancel">Ends the writing.</param>
    /// <exception cref="TandemException">There is a model already, or the directory cannot be written.</exception>
    public static unsafe void Write(GgufModel model, string folder, DType expanded, bool overwrite = false, Action<WriteProgress>? progress = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        IReadOnlyList<StoredTensor> weights = Model.MatchWeights(model.Config, model.Tensors, $"'{model.File.Path}'");
        long done = 0, total = weights.Sum(t => t.Shape.Bytes(TypeOf(t, expanded)));
        TensorSource[] sources = [.. weights.Select(t =>
        {
            DType type = TypeOf(t, expanded);
            return new TensorSource(t.Name, type, t.Shape, (first, destination) =>
            {
                cancel.ThrowIfCancellationRequested();
                fixed (byte* to = destination) t.CopyTo(type, to, first, destination.Length / type.Size());
                progress?.Invoke(new WriteProgress(t.Name, done += destination.Length, total));
            });
        })];
        DType[] matrices = [.. weights.Where(t => t.Shape.Rank > 1).Select(t => TypeOf(t, expanded)).Distinct()];
        ModelConfig config = model.Config with { StoredDType = matrices is [var only] ? only : DType.F32 };
        if (Directory.Exists(folder))
        {
            WriteFiles(model, folder, config, sources, overwrite);
            return;
        }

        string partial = Path.TrimEndingDirectorySeparator(folder) + ".partial";
        try
        {
            WriteFiles(model, partial, config, sources, overwrite: true);
            Directory.Move(partial, folder);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot write", folder, e);
        }
        finally
        {
            if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
        }
    }

    private static void WriteFiles(GgufModel model, string folder, ModelConfig config, TensorSource[] sources, bool overwrite)
    {
        HfDirectoryWriter.Write(folder, config.ToJson(), sources, GenerationConfig.From(config).ToJson(), overwrite: overwrite);
        if (ModelTemplates.Load(model.File.Path).Sources.TryGetValue(ModelTemplates.DefaultName, out string? template))
            AtomicFile.WriteAllText(Path.Combine(folder, TemplateFile), template);
        if (Vocabulary(model).Json is { } json) AtomicFile.WriteAllBytes(Path.Combine(folder, TokenizerJson.FileName), json);
    }

    private static (byte[]? Json, string? Problem) Vocabulary(GgufModel model)
    {
        if (!model.File.Metadata.ContainsKey(GgufTokens.Tokens)) return (null, $"the file has no {GgufTokens.Tokens}");
        try
        {
            return (TokenizerJson.Write(TokenizerFiles.Load(model.File.Path)), null);
        }
        catch (TandemException e)
        {
            return (null, e.Message);
        }
    }
}
