using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>
/// Damaged GGUF files through all that reads them: header, config, tokenizer, templates, weights. Each is taken or refused with an error that names file, place and value, and
/// never takes more memory than 8 times its size and 16 MB.
/// </summary>
public sealed partial class GgufFuzzTests : IDisposable
{
    private const long Slack = 16 << 20;

    private static readonly ulong[] Numbers =
    [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 31, 32, 39, 42, 43, 64, 65, 255, 256, 1000, 65535, 65536, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000,
        0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFE0, 0x7FC00000, 0x7F800000,
    ];

    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Mutations_are_read_or_refused_with_the_place() => Run(3_000);

    [Fact(Explicit = true)]
    public void A_hundred_thousand_mutations_are_read_or_refused_with_the_place() => Run(100_000);

    [Theory]
    [InlineData("bytes")]
    [InlineData("truths")]
    [InlineData("texts")]
    [InlineData("keys")]
    [InlineData("tensors")]
    public void Files_made_to_take_memory_take_eight_times_their_size_at_most(string kind)
    {
        string path = _files.At("large.gguf");
        using (FileStream stream = File.Create(path))
        using (var writer = new BinaryWriter(stream))
        {
            int count = kind is "keys" or "tensors" ? 1 << 16 : 4 << 20;
            writer.Write("GGUF"u8);
            writer.Write(3u);
            writer.Write(kind == "tensors" ? (ulong)count : 0ul);
            writer.Write(kind == "keys" ? (ulong)count : kind == "tensors" ? 0ul : 1ul);
            for (int i = 0; kind is "keys" or "tensors" && i < count; i++)
            {
                GgufValue.WriteString(writer, i.ToString("x", null));
                if (kind == "keys") writer.Write([0, 0, 0, 0, 1]);
                else writer.Write([1, 0, 0, 0, .. new byte[20]]);
            }

            if (kind is "keys" or "tensors")
            {
                writer.Write(new byte[32]);
            }
            else
            {
                GgufValue.WriteString(writer, "k");
                writer.Write((uint)GgufValueType.Array);
                writer.Write((uint)(kind switch { "bytes" => GgufValueType.UInt8, "truths" => GgufValueType.Bool, _ => GgufValueType.String }));
                writer.Write((ulong)count);
                writer.Write(kind != "texts" ? new byte[count] : [.. Enumerable.Range(0, count).SelectMany(_ => (byte[])[1, 0, 0, 0, 0, 0, 0, 0, 65])]);
            }
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        GgufFile.Open(path).Dispose();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (8 * new FileInfo(path).Length) + Slack);
    }

    private void Run(int mutations)
    {
        IReadOnlyList<GgufSample> samples = GgufSamples.Make(_files.Folder);
        var failures = new ConcurrentQueue<string>();
        int taken = 0, refused = 0;
        long mostAllocated = 0;
        const int Workers = 2;
        Parallel.For(0, Workers, new ParallelOptions { MaxDegreeOfParallelism = Workers }, worker =>
        {
            string folder = _files.At($"worker{worker}");
            Directory.CreateDirectory(folder);
            for (int i = worker; i < mutations && failures.Count < 20; i += Workers)
            {
                var random = new Random(i);
                GgufSample sample = samples[random.Next(samples.Count)];
                int part = random.Next(sample.Parts.Count);
                byte[] mutated = Mutate(sample, part, samples, random);
                string first = Path.Combine(folder, sample.FileName(0));
                long size = 0;
                for (int p = 0; p < sample.Parts.Count; p++)
                {
                    byte[] bytes = p == part ? mutated : sample.Parts[p];
                    File.WriteAllBytes(Path.Combine(folder, sample.FileName(p)), bytes);
                    size += bytes.Length;
                }

                bool all = true;
                foreach ((string stage, Func<string, long> read) in Readers)
                {
                    (string? problem, long allocated, bool isTaken) = Try(first, read);
                    all &= isTaken;
                    InterlockedMax(ref mostAllocated, allocated);
                    if (allocated > (8 * size) + Slack) problem = $"{allocated:N0} bytes allocated for a file of {size:N0}";
                    if (problem != null) failures.Enqueue($"mutation {i} of '{sample.Name}', {stage}: {problem}");
                }

                _ = all ? Interlocked.Increment(ref taken) : Interlocked.Increment(ref refused);
            }
        });
        Assert.True(failures.IsEmpty, string.Join('\n', failures));
        TestContext.Current.TestOutputHelper?.WriteLine($"{mutations:N0} mutations of {samples.Count} files: {taken:N0} taken, {refused:N0} refused; {mostAllocated:N0} bytes allocated at most");
        Assert.InRange(taken, 1, mutations - 1);
    }

    // Each gives the bytes of native memory that it took.
    private static readonly (string Stage, Func<string, long> Read)[] Readers =
    [
        ("header", path =>
        {
            using GgufFile file = GgufFile.Open(path);
            foreach (GgufValue value in file.Metadata.Values) _ = value.ToString(6, 100);
            return 0;
        }),
        ("config", path =>
        {
            using GgufModel model = GgufModel.Open(path);
            return 0;
        }),
        ("content", path =>
        {
            using GgufContent content = GgufContent.Open(path);
            return 0;
        }),
        ("tokenizer", path =>
        {
            Tokenizer tokenizer = TokenizerFiles.Load(path);
            _ = tokenizer.Decode(tokenizer.Encode("ab c <s>\u00e9"));
            return 0;
        }),
        ("templates", path =>
        {
            ModelTemplates templates = ModelTemplates.Load(path);
            return 0;
        }),
        ("weights", path =>
        {
            using Model model = Model.Load(path, weightType: null);
            return model.WeightNames.Sum(n => model.Buffer(n).Bytes);
        }),
    ];

    private static (string? Problem, long Allocated, bool Taken) Try(string path, Func<string, long> read)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            long native = read(path);
            return (null, GC.GetAllocatedBytesForCurrentThread() - before + native, true);
        }
        catch (TandemException e)
        {
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            string folder = Path.GetDirectoryName(path)!;
            string said = e.Message.Replace(folder, "", StringComparison.Ordinal);
            string rest = FileName().Replace(said, "");
            bool placed = said.Length < e.Message.Length && Place().IsMatch(rest);
            return (placed ? null : $"no file, or no place and value: {e.Message}", allocated, false);
        }
        catch (Exception e) when (e is not (OutOfMemoryException or AccessViolationException))
        {
            return (e.ToString(), 0, false);
        }
    }

    private static byte[] Mutate(GgufSample sample, int part, IReadOnlyList<GgufSample> samples, Random random)
    {
        List<byte> bytes = [.. sample.Parts[part]];
        IReadOnlyList<GgufField> fields = sample.Fields[part];
        int header = fields[^1].Offset;
        for (int n = random.Next(1, 4); n > 0 && bytes.Count > 8; n--)
        {
            // Mostly within the header, where the structure is.
            int at = random.Next(4) == 0 ? random.Next(bytes.Count) : random.Next(Math.Min(header, bytes.Count)), count = Math.Min(random.Next(1, 24), bytes.Count - at);
            switch (random.Next(9))
            {
                case 0: bytes[at] = (byte)random.Next(256); break;
                case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 2: bytes.RemoveRange(at, count); break;
                case 3: bytes.InsertRange(at, bytes.GetRange(at, count)); break;
                case 4: bytes.RemoveRange(at, bytes.Count - at); break;
                case 5:
                    byte[] other = samples[random.Next(samples.Count)].Parts[0];
                    int from = random.Next(other.Length), run = Math.Min(random.Next(1, 200), other.Length - from);
                    if (random.Next(2) == 0) bytes.RemoveRange(at, Math.Min(run, bytes.Count - at));
                    bytes.InsertRange(at, other[from..(from + run)]);
                    break;
                default: SetField(bytes, fields[random.Next(fields.Count)], random); break;
            }
        }

        return [.. bytes];
    }

    // A number that means something: small, a border, its own neighbour, that of another field.
    private static void SetField(List<byte> bytes, GgufField field, Random random)
    {
        if (field.Size == 0 || field.Offset + field.Size > bytes.Count) return;
        byte[] value = new byte[8];
        for (int i = 0; i < field.Size; i++) value[i] = bytes[field.Offset + i];
        ulong own = BinaryPrimitives.ReadUInt64LittleEndian(value);
        ulong next = random.Next(6) switch
        {
            0 => own + 1,
            1 => own - 1,
            2 => own * 2,
            3 => own + 32,
            4 => (ulong)random.NextInt64(),
            _ => Numbers[random.Next(Numbers.Length)],
        };
        BinaryPrimitives.WriteUInt64LittleEndian(value, next);
        for (int i = 0; i < field.Size; i++) bytes[field.Offset + i] = value[i];
    }

    private static void InterlockedMax(ref long target, long value)
    {
        for (long seen = Volatile.Read(ref target); value > seen; seen = Volatile.Read(ref target)) Interlocked.CompareExchange(ref target, value, seen);
    }

    [GeneratedRegex(@"/?sample(-\d{5}-of-\d{5})?\.gguf")]
    private static partial Regex FileName();

    // A place in bytes, a key, a tensor's name or a part; with what is wrong there.
    [GeneratedRegex(@"at byte [\d,]+: .|[a-z0-9_]+\.[a-z0-9_.]+.*[\d'\[]|[a-z0-9_]+\.[a-z0-9_]+ and|no (key |tensor )?[a-z0-9_]+\.[a-z0-9_.]+|tensor '.*'|parts?\b.*\d")]
    private static partial Regex Place();
}
