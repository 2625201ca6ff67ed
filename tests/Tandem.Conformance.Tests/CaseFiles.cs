using System.Globalization;
using System.IO.Compression;
using System.Text;
using Tandem.Cpu;

namespace Tandem.Conformance.Tests;

/// <summary>A folder of made-up cases, and runs over it.</summary>
internal sealed class CaseFiles : IDisposable
{
    /// <summary>y = max(x, 0)^2 of 1, -2, 3 with gradients 1, 1, 2: small enough to be checked by eye.</summary>
    public static readonly (string Name, float[] Values)[] Relu2 =
        [("in.x", [1, -2, 3]), ("out.y", [1, 0, 9]), ("dout.y", [1, 1, 2]), ("grad.x", [2, 0, 12])];

    private readonly string _root = Directory.CreateTempSubdirectory("tandem-conformance-tests-").FullName;

    /// <summary>The path of something in the folder.</summary>
    public string this[string path] => Path.Combine(_root, path);

    /// <summary>Writes a file; a name that ends in .gz is packed.</summary>
    public CaseFiles Add(string path, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[path])!);
        if (!path.EndsWith(".gz", StringComparison.Ordinal))
        {
            File.WriteAllBytes(this[path], content);
            return this;
        }

        using var packed = new GZipStream(File.Create(this[path]), CompressionLevel.Fastest);
        packed.Write(content);
        return this;
    }

    /// <summary>Writes a text file.</summary>
    public CaseFiles Add(string path, string content) => Add(path, Encoding.UTF8.GetBytes(content));

    /// <summary>Writes a folder of ops with one case of an activation.</summary>
    public CaseFiles AddActivation(string folder, (string Name, float[] Values)[] tensors, string attributes = """{"kind": "relu2"}""", string suffix = "") =>
        Add($"{folder}/index.json{suffix}", $$"""{"square": {"formula": "y = max(x, 0)^2", "attrs": {{attributes}}, "fp32_max_rel": {"out.y": 0, "grad.x": 0} } }""")
            .Add($"{folder}/square.safetensors{suffix}", Safetensors(tensors));

    /// <summary>The bytes of a safetensors file of vectors.</summary>
    public static byte[] Safetensors((string Name, float[] Values)[] tensors)
    {
        int offset = 0;
        var header = new StringBuilder("{");
        foreach ((string name, float[] values) in tensors)
        {
            int end = offset + (values.Length * sizeof(float));
            string comma = offset > 0 ? "," : "";
            header.Append(CultureInfo.InvariantCulture, $$"""{{comma}}"{{name}}":{"dtype":"F32","shape":[{{values.Length}}],"data_offsets":[{{offset}},{{end}}]}""");
            offset = end;
        }

        byte[] json = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        return [.. BitConverter.GetBytes((long)json.Length), .. json, .. tensors.SelectMany(t => t.Values).SelectMany(BitConverter.GetBytes)];
    }

    /// <summary>Runs a folder as the program does.</summary>
    public Report Run(string folder, string? shared = null, string? kind = null) => RunFolder(this[folder], shared == null ? null : this[shared], kind);

    /// <summary>Runs any folder as the program does.</summary>
    public static Report RunFolder(string path, string? shared = null, string? kind = null)
    {
        using var team = new ThreadTeam(2);
        var report = new Report(TextWriter.Null);
        Runner.Run(path, kind, new RunContext(report, team, shared));
        return report;
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_root, recursive: true);
}
