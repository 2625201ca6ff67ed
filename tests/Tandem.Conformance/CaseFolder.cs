using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Tandem.Conformance;

/// <summary>
/// A folder of cases, as the kinds see it: names without <c>.gz</c>, bytes already unpacked, and a note of every file that somebody read.
/// What nobody reads is a failure, so that no case is left out without a word.
/// </summary>
internal sealed class CaseFolder
{
    private readonly SortedDictionary<string, CaseFile> _files;
    private readonly string _prefix;
    private readonly CaseFolder? _fallback;

    private CaseFolder(string path, string name, SortedDictionary<string, CaseFile> files, string prefix, CaseFolder? fallback)
    {
        Path = path;
        Name = name;
        _files = files;
        _prefix = prefix;
        _fallback = fallback;
    }

    /// <summary>Where it lies on disk.</summary>
    public string Path { get; }

    /// <summary>How reports call it, for example <c>training/ops</c>.</summary>
    public string Name { get; }

    /// <summary>The last part of the name.</summary>
    public string Leaf => Name[(Name.LastIndexOf('/') + 1)..];

    /// <summary>Names of the files that lie in it, without those of subfolders.</summary>
    public IReadOnlyList<string> Files => [.. Own.Where(f => !f.Contains('/', StringComparison.Ordinal))];

    /// <summary>The subfolders that hold files.</summary>
    public IReadOnlyList<CaseFolder> Folders =>
        [.. Own.Select(f => f.IndexOf('/', StringComparison.Ordinal) is var end and > 0 ? f[..end] : "").Distinct(StringComparer.Ordinal).Where(f => f.Length > 0).Select(Sub)];

    /// <summary>Paths below this folder that nobody has read, descriptions and generator scripts excepted.</summary>
    public IReadOnlyList<string> Unread => [.. Own.Where(f => !_files[_prefix + f].Read && !IsDescription(f))];

    private IEnumerable<string> Own => _files.Keys.Where(k => k.StartsWith(_prefix, StringComparison.Ordinal)).Select(k => k[_prefix.Length..]);

    /// <summary>Lists a folder with everything below it.</summary>
    /// <exception cref="TandemException">There is no such folder.</exception>
    public static CaseFolder Open(string path, string name)
    {
        if (!Directory.Exists(path)) throw new TandemException($"'{path}': there is no such folder");
        var files = new SortedDictionary<string, CaseFile>(StringComparer.Ordinal);
        var all = Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories)
            .Select(f => (Full: f, Relative: System.IO.Path.GetRelativePath(path, f).Replace('\\', '/')))
            .OrderBy(f => f.Relative, StringComparer.Ordinal);
        foreach ((string full, string relative) in all)
        {
            // A file that is there both ways is read plain; the packed one keeps its name and stays unread.
            bool packed = relative.EndsWith(".gz", StringComparison.Ordinal);
            string plain = packed ? relative[..^3] : relative;
            if (packed && File.Exists(full[..^3])) files[relative] = new CaseFile(full, false);
            else files[plain] = new CaseFile(full, packed);
        }

        return new CaseFolder(path, name, files, "", null);
    }

    /// <summary>The subfolder of that name.</summary>
    public CaseFolder Sub(string folder) =>
        new(System.IO.Path.Combine(Path, folder), Name.Length == 0 ? folder : Name + "/" + folder, _files, _prefix + folder + "/", _fallback?.Sub(folder));

    /// <summary>The same folder under another name.</summary>
    public CaseFolder Named(string name) => new(Path, name, _files, _prefix, _fallback);

    /// <summary>The same folder, with files that are not in it looked up in <paramref name="fallback"/>.</summary>
    public CaseFolder Over(CaseFolder? fallback) => new(Path, Name, _files, _prefix, fallback);

    /// <summary>Whether the file is here, the fallback not counted.</summary>
    public bool Has(string file) => _files.ContainsKey(_prefix + file);

    /// <summary>Whether the file can be read, here or in the fallback.</summary>
    public bool CanRead(string file) => Has(file) || (_fallback?.CanRead(file) ?? false);

    /// <summary>Whether any file is below this folder.</summary>
    public bool HasAny => Own.Any();

    /// <summary>Notes a file as read without reading it, if it is here.</summary>
    public void Claim(string file)
    {
        if (_files.TryGetValue(_prefix + file, out CaseFile? found)) found.Read = true;
    }

    /// <summary>The bytes of a file.</summary>
    /// <exception cref="TandemException">It is not there, or no gzip although its name says so.</exception>
    public byte[] Read(string file)
    {
        if (!_files.TryGetValue(_prefix + file, out CaseFile? found))
            return _fallback?.Read(file) ?? throw new TandemException($"{Name}/{file} is missing");
        found.Read = true;
        if (!found.Packed) return File.ReadAllBytes(found.Path);
        try
        {
            using var stream = new GZipStream(File.OpenRead(found.Path), CompressionMode.Decompress);
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return bytes.ToArray();
        }
        catch (InvalidDataException e)
        {
            throw new TandemException($"{found.Path}: {e.Message}", e);
        }
    }

    /// <summary>A JSON file.</summary>
    public JsonElement Json(string file)
    {
        try
        {
            return JsonDocument.Parse(Read(file)).RootElement;
        }
        catch (JsonException e)
        {
            throw new TandemException($"{Name}/{file}: {e.Message}", e);
        }
    }

    /// <summary>The lines of a JSON lines file; only line feeds end a line.</summary>
    public JsonElement[] JsonLines(string file) =>
        [.. Encoding.UTF8.GetString(Read(file)).Split('\n').Where(l => l.Length > 0).Select(l => JsonDocument.Parse(l).RootElement)];

    /// <summary>A safetensors file.</summary>
    public GoldenTensors Tensors(string file) => new($"{Name}/{file}", Read(file));

    /// <summary>Copies files to a folder on disk, unpacked, for readers that want paths.</summary>
    public void CopyTo(string directory, IEnumerable<string> files)
    {
        foreach (string file in files) File.WriteAllBytes(System.IO.Path.Combine(directory, file), Read(file));
    }

    private static bool IsDescription(string file)
    {
        string name = System.IO.Path.GetFileName(file);
        return name.StartsWith("README", StringComparison.OrdinalIgnoreCase) || name.StartsWith("LICENSE", StringComparison.OrdinalIgnoreCase)
            || name.EndsWith(".py", StringComparison.Ordinal);
    }

    private sealed class CaseFile(string path, bool packed)
    {
        public string Path { get; } = path;

        public bool Packed { get; } = packed;

        public bool Read { get; set; }
    }
}
