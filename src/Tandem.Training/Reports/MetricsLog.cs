using System.Globalization;
using System.Text.Json;

namespace Tandem.Training;

/// <summary>
/// <c>metrics.jsonl</c>, one line a step, and <c>samples.jsonl</c>, one line a sample. A run that goes on first drops the lines behind its checkpoint: those steps are done again.
/// </summary>
public sealed class MetricsLog : IDisposable
{
    /// <summary>Name of the file of steps.</summary>
    public const string MetricsName = "metrics.jsonl";

    /// <summary>Name of the file of samples.</summary>
    public const string SamplesName = "samples.jsonl";

    private readonly FileStream _metrics;
    private readonly FileStream _samples;
    private readonly MemoryStream _line = new();
    private readonly Utf8JsonWriter _json;

    /// <summary>Opens the files of a run.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="samplesDone">Lines of steps that consumed more samples are dropped.</param>
    /// <param name="step">Lines of samples of later steps are dropped.</param>
    public MetricsLog(string folder, long samplesDone, long step)
    {
        _json = new Utf8JsonWriter(_line);
        _metrics = Open(Path.Combine(folder, MetricsName), "samples", samplesDone);
        _samples = Open(Path.Combine(folder, SamplesName), "step", step);
    }

    /// <summary>Writes a step.</summary>
    public void Write(in StepReport report)
    {
        _json.WriteStartObject();
        _json.WriteNumber("step", report.Result.Step);
        Number("loss", report.Result.Loss);
        Number("lr", report.Result.LearningRate);
        Number("grad_norm", report.Result.GradientNorm);
        Number("clip", report.Result.ClipCoefficient);
        _json.WriteNumber("step_tokens", report.Tokens);
        _json.WriteNumber("tokens", report.State.Tokens);
        _json.WriteNumber("samples", report.State.Samples);
        Number("tokens_per_second", Math.Round(report.TokensPerSecond, 1));
        if (report.PeakShare > 0) Number("peak_share", Math.Round(report.PeakShare, 4));
        if (report.Result.LossScale != 1) Number("loss_scale", report.Result.LossScale);
        if (report.Result.SkippedFor != null) _json.WriteString("skipped", report.Result.SkippedFor);
        if (report.Evaluation is { } evaluation)
        {
            Number("eval_loss", evaluation.Loss);
            Number("eval_bits_per_byte", evaluation.BitsPerByte);
        }

        EndLine(_metrics);
    }

    /// <summary>Writes samples.</summary>
    public void Write(IEnumerable<SampleReport> samples)
    {
        foreach (SampleReport sample in samples)
        {
            _json.WriteStartObject();
            _json.WriteNumber("step", sample.Step);
            _json.WriteString("prompt", sample.Prompt);
            _json.WriteString("text", sample.Text);
            EndLine(_samples);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _json.Dispose();
        _line.Dispose();
        _metrics.Dispose();
        _samples.Dispose();
    }

    /// <summary>The lines of such a file, each an object; a last line that was not finished is left out.</summary>
    internal static IEnumerable<JsonElement> ReadLines(string path)
    {
        if (!File.Exists(path)) yield break;
        foreach (string line in File.ReadLines(path))
        {
            JsonElement element;
            try
            {
                using JsonDocument document = JsonDocument.Parse(line);
                element = document.RootElement.Clone();
            }
            catch (JsonException)
            {
                yield break;
            }

            yield return element;
        }
    }

    private static FileStream Open(string path, string key, long last)
    {
        try
        {
            JsonElement[] kept = [.. ReadLines(path).TakeWhile(l => l.TryGetProperty(key, out JsonElement value) && value.TryGetInt64(out long number) && number <= last)];
            AtomicFile.WriteAllText(path, string.Concat(kept.Select(l => l.GetRawText() + "\n")));
            return new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, 0);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot write", path, e);
        }
    }

    // JSON has no infinity: a number that is none is written as text.
    private void Number(string name, double value)
    {
        if (double.IsFinite(value)) _json.WriteNumber(name, value);
        else _json.WriteString(name, value.ToString(CultureInfo.InvariantCulture));
    }

    private void EndLine(FileStream file)
    {
        _json.WriteEndObject();
        _json.Flush();
        _line.WriteByte((byte)'\n');
        try
        {
            // One write a line: a reader never sees half of one.
            file.Write(_line.GetBuffer().AsSpan(0, (int)_line.Length));
        }
        catch (IOException e)
        {
            throw FileErrors.Wrap("cannot write", file.Name, e);
        }

        _line.SetLength(0);
        _json.Reset();
    }
}
