using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Tandem.Models.Tests.Tokenizers;

/// <summary>Golden files, gzipped or not.</summary>
internal static class TokenizerGoldens
{
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "goldens", "tokenizers");

    public static bool Exists(string folder, string file) => File.Exists(Path.Combine(folder, file)) || File.Exists(Path.Combine(folder, file + ".gz"));

    public static byte[] Read(string folder, string file)
    {
        string path = Path.Combine(folder, file);
        if (File.Exists(path)) return File.ReadAllBytes(path);
        using var stream = new GZipStream(File.OpenRead(path + ".gz"), CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    /// <summary>The rows of a file of JSON lines, which end with \n and nothing else.</summary>
    public static List<JsonElement> Lines(string folder, string file)
    {
        var rows = new List<JsonElement>();
        foreach (string line in Encoding.UTF8.GetString(Read(folder, file)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            rows.Add(document.RootElement.Clone());
        }

        return rows;
    }

    /// <summary>Loads the folder's tokenizer.json by way of a file, as users do.</summary>
    public static Tokenizer Load(string folder)
    {
        string temporary = Path.Combine(Directory.CreateTempSubdirectory("tandem-tokenizer-").FullName, TokenizerJson.FileName);
        File.WriteAllBytes(temporary, Read(folder, TokenizerJson.FileName));
        try
        {
            return TokenizerJson.Load(temporary);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(temporary)!, recursive: true);
        }
    }

    public static int[] Ints(this JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(i => i.GetInt32())];

    public static string?[] Strings(this JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(i => i.GetString())];

    public static string? Text(this JsonElement row, string name) => row.GetProperty(name).GetString();
}
