using System.Text.Json;
using Xunit;

namespace Tandem.Models.Tests;

/// <summary>The reader of GGUF headers against valid, malformed and real files.</summary>
public sealed unsafe class GgufFileTests : IDisposable
{
    private readonly CheckpointFiles _files = new();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Every_golden_file_is_accepted_or_refused_as_it_should()
    {
        Dictionary<string, byte[]> files = CheckpointFiles.Malformed("gguf");
        var wrong = new List<string>();
        int cases = 0;
        foreach (JsonElement one in JsonDocument.Parse(files["cases.json"]).RootElement.EnumerateArray())
        {
            string name = one.GetProperty("file").GetString()!, expect = one.GetProperty("expect").GetString()!;
            File.WriteAllBytes(_files.At(name), files[name]);
            string verdict = Verdict(_files.At(name), out string? message);
            bool right = expect switch
            {
                "accept_or_reject" => true,
                "any_error" => verdict != "accept",
                _ => verdict == expect,
            };
            if (!right) wrong.Add($"{name}: {verdict}, expected {expect}: {message}");
            if (message != null) Assert.Contains(name, message, StringComparison.Ordinal);
            cases++;
        }

        Assert.Empty(wrong);
        Assert.Equal(files.Count - 1, cases);
    }

    [Fact]
    public void Every_type_of_value_is_read()
    {
        File.WriteAllBytes(_files.At("m"), CheckpointFiles.Malformed("gguf")["ok_all_types.gguf"]);
        using GgufFile file = GgufFile.Open(_files.At("m"));
        Assert.Equal(
            Enum.GetValues<GgufValueType>().Where(t => t is not (GgufValueType.Array or GgufValueType.String)).Order(),
            file.Metadata.Values.Select(v => v.Type).Where(t => t is not (GgufValueType.Array or GgufValueType.String)).Distinct().Order());
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            if (value.Type == GgufValueType.String) Assert.Equal(value.ToString(), $"'{file.String(key)}'");
            else if (value.Type == GgufValueType.Bool) Assert.Equal(value.ToString(), file.Bool(key) ? "true" : "false");
            else if (value.Type != GgufValueType.Array) Assert.Equal(double.Parse(value.ToString(), System.Globalization.CultureInfo.InvariantCulture), file.Number(key));
        }

        GgufException missing = Assert.Throws<GgufException>(() => file.Int("general.nothing"));
        Assert.Equal(GgufError.MissingKey, missing.Error);
        Assert.Equal(GgufError.WrongValueType, Assert.Throws<GgufException>(() => file.Strings("general.architecture")).Error);
    }

    [Fact]
    public void Tensors_have_their_bytes()
    {
        File.WriteAllBytes(_files.At("m"), CheckpointFiles.Malformed("gguf")["ok_align64.gguf"]);
        using GgufFile file = GgufFile.Open(_files.At("m"));
        Assert.Equal(64, file.Alignment);
        Assert.NotEmpty(file.Tensors);
        foreach (GgufTensor tensor in file.Tensors)
        {
            Assert.Same(tensor, file.Find(tensor.Name));
            Assert.Equal(0, tensor.Offset % 64);
            Assert.Equal(tensor.Dims.Aggregate(1L, (a, b) => a * b) / tensor.Type.BlockElements() * tensor.Type.BlockBytes(), tensor.Bytes);
            Assert.Equal(tensor.Bytes, new ReadOnlySpan<byte>(file.Data(tensor), (int)tensor.Bytes).Length);
        }

        Assert.Null(file.Find("nothing"));
    }

    [Fact]
    public void A_real_model_is_read()
    {
        string? path = CheckpointFiles.SharedData("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
        Assert.SkipWhen(path == null, "shared/data is not beside the repository");
        using GgufFile file = GgufFile.Open(path!);
        Assert.Equal("llama", file.Architecture);
        Assert.Equal(30, file.Int("llama.block_count"));
        Assert.Equal(576, file.Int("llama.embedding_length"));
        Assert.Equal(49152, file.Strings("tokenizer.ggml.tokens").Count);
        Assert.Equal("gpt2", file.String("tokenizer.ggml.model"));
        GgufTensor embedding = file.Find("token_embd.weight")!;
        Assert.Equal([576, 49152], embedding.Dims);
    }

    [Fact]
    public void Damaged_files_are_read_or_refused_never_anything_else()
    {
        Dictionary<string, byte[]> files = CheckpointFiles.Malformed("gguf");
        var random = new Random(1);
        string path = _files.At("fuzz");
        int read = 0;
        for (int i = 0; i < 3000; i++)
        {
            byte[] bytes = (byte[])files[i % 2 == 0 ? "ok_base.gguf" : "ok_all_types.gguf"].Clone();
            for (int n = random.Next(1, 5); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (i % 7 == 0) bytes = bytes[..random.Next(bytes.Length)];
            File.WriteAllBytes(path, bytes);
            if (Verdict(path, out _) == "accept") read++;
        }

        Assert.InRange(read, 1, 2999);
    }

    private static string Verdict(string path, out string? message)
    {
        message = null;
        try
        {
            using GgufFile file = GgufFile.Open(path);
            _ = file.Architecture;
            foreach (GgufTensor tensor in file.Tensors.Where(t => t.Bytes > 0)) _ = file.Data(tensor)[tensor.Bytes - 1];
            return "accept";
        }
        catch (GgufException e)
        {
            message = e.Message;
            return JsonNamingPolicy.SnakeCaseLower.ConvertName(e.Error.ToString());
        }
    }
}
