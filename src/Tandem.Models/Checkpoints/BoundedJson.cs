using System.Text.Json;

namespace Tandem.Models;

/// <summary>
/// JSON from files nobody vouches for: bounded size and depth, no name twice in an object, only valid Unicode, so that reading the document
/// afterwards cannot fail.
/// </summary>
internal static class BoundedJson
{
    private const int MaxDepth = 32;

    /// <summary>Reads a JSON file whose top is an object.</summary>
    /// <exception cref="TandemException">It is missing, too large or not such JSON.</exception>
    public static JsonDocument ReadFile(string path, int maxBytes) => Parse(BoundedFile.ReadAllBytes(path, maxBytes), $"'{path}'");

    /// <summary>Parses JSON whose top is an object.</summary>
    /// <exception cref="TandemException">It is not.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8, string place)
    {
        if (utf8.Span.StartsWith("\uFEFF"u8))
            utf8 = utf8[3..];
        try
        {
            CheckStrings(utf8.Span, place);
            var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            document.Dispose();
        }
        catch (JsonException e)
        {
            throw new TandemException($"{place} is not valid JSON: {e.Message}", e);
        }

        throw new TandemException($"{place}: accepted is a JSON object");
    }

    private static void CheckStrings(ReadOnlySpan<byte> utf8, string place)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
        if (!System.Text.Unicode.Utf8.IsValid(utf8))
            throw new TandemException($"{place} is not UTF-8");
        try
        {
            while (reader.Read())
            {
                if (reader.ValueIsEscaped)
                    _ = reader.GetString();
            }
        }
        catch (InvalidOperationException e)
        {
            throw new TandemException($"{place}: the string near byte {reader.TokenStartIndex} is not valid Unicode", e);
        }
    }
}
