using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Tandem.Training;

/// <summary>
/// Event files as TensorBoard reads them: records (length, masked CRC32C of the length, data, masked CRC32C of the data) of protobuf <c>Event</c> messages with scalars
/// (formats: TFRecord and event.proto, summary.proto of TensorFlow). Each start of a run is a file of its own, which first takes back what an earlier one wrote behind the step.
/// </summary>
public sealed class TensorBoardWriter : IDisposable
{
    // Field numbers of Event, Summary, Summary.Value and SessionLog.
    private const int WallTime = 1, StepField = 2, FileVersion = 3, SummaryField = 5, SessionLogField = 7, ValueField = 1, Tag = 1, SimpleValue = 2, Status = 1;
    private const int SessionStart = 1;

    private readonly FileStream _file;
    private readonly TimeProvider _time;

    /// <summary>Starts a file.</summary>
    /// <param name="folder">Folder, created if needed.</param>
    /// <param name="step">Step after which this run goes on.</param>
    /// <param name="time">Clock of the events; null is the system's.</param>
    public TensorBoardWriter(string folder, long step, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        string name = string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{_time.GetUtcNow().ToUnixTimeSeconds():D10}.{Environment.MachineName}.{Environment.ProcessId}.{step}");
        try
        {
            Directory.CreateDirectory(folder);
            _file = new FileStream(Path.Combine(folder, name), FileMode.Create, FileAccess.Write, FileShare.Read, 0);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Wrap("cannot write", folder, e);
        }

        WriteRecord(Event(0, e => Text(e, FileVersion, "brain.Event:2")));
        WriteRecord(Event(step + 1, e => Message(e, SessionLogField, log => Varint(log, Status, SessionStart))));
    }

    /// <summary>Writes a step.</summary>
    public void Write(in StepReport report)
    {
        StepResult result = report.Result;
        Scalar(result.Step, "train/loss", result.Loss);
        Scalar(result.Step, "train/learning_rate", result.LearningRate);
        Scalar(result.Step, "train/grad_norm", result.GradientNorm);
        Scalar(result.Step, "train/tokens_per_second", report.TokensPerSecond);
        if (report.Evaluation is not { } evaluation) return;
        Scalar(result.Step, "eval/loss", evaluation.Loss);
        Scalar(result.Step, "eval/bits_per_byte", evaluation.BitsPerByte);
    }

    /// <summary>Writes one value.</summary>
    public void Scalar(long step, string tag, double value) => WriteRecord(Event(step, e => Message(e, SummaryField, summary => Message(summary, ValueField, v =>
    {
        Text(v, Tag, tag);
        Float(v, SimpleValue, (float)value);
    }))));

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>A CRC32C as records hold it: rotated and offset, so that a checksum of data with checksums in it stays a good one.</summary>
    internal static uint Masked(uint crc) => uint.RotateRight(crc, 15) + 0xa282ead8;

    private void WriteRecord(byte[] data)
    {
        var record = new byte[12 + data.Length + 4];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), Masked(Checksum.Crc32C(record.AsSpan(0, 8))));
        data.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), Masked(Checksum.Crc32C(data)));
        try
        {
            _file.Write(record);
        }
        catch (IOException e)
        {
            throw FileErrors.Wrap("cannot write", _file.Name, e);
        }
    }

    private byte[] Event(long step, Action<MemoryStream> content)
    {
        var message = new MemoryStream();
        Double(message, WallTime, _time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0);
        Varint(message, StepField, (ulong)step);
        content(message);
        return message.ToArray();
    }

    // Protobuf: a key is the field's number and a wire type (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes).
    private static void Varint(MemoryStream message, int field, ulong value)
    {
        Number(message, (ulong)(field << 3));
        Number(message, value);
    }

    private static void Double(MemoryStream message, int field, double value)
    {
        Number(message, (ulong)((field << 3) | 1));
        message.Write(BitConverter.GetBytes(value));
    }

    private static void Float(MemoryStream message, int field, float value)
    {
        Number(message, (ulong)((field << 3) | 5));
        message.Write(BitConverter.GetBytes(value));
    }

    private static void Text(MemoryStream message, int field, string text) => Bytes(message, field, Encoding.UTF8.GetBytes(text));

    private static void Message(MemoryStream message, int field, Action<MemoryStream> content)
    {
        var inner = new MemoryStream();
        content(inner);
        Bytes(message, field, inner.ToArray());
    }

    private static void Bytes(MemoryStream message, int field, byte[] bytes)
    {
        Number(message, (ulong)((field << 3) | 2));
        Number(message, (ulong)bytes.Length);
        message.Write(bytes);
    }

    private static void Number(MemoryStream message, ulong value)
    {
        for (; value >= 0x80; value >>= 7) message.WriteByte((byte)(value | 0x80));
        message.WriteByte((byte)value);
    }
}
