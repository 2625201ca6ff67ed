using Tandem.Examples;
using Tandem.Integration.Tests;
using Tandem.Models;
using Xunit;

namespace Tandem.Inference.Tests;

/// <summary>The example in the documentation is code that compiles and runs.</summary>
public sealed class DocumentationTests
{
    [Fact]
    public async Task The_example_of_the_page_is_the_one_that_runs()
    {
        string page = Read("docs/generation.md"), source = Read("tests/Tandem.Inference.Tests/Examples/LibraryExample.cs");
        string block = page.Split("```csharp\n")[1].Split("```")[0];
        string[] shown = Lines(block), compiled = Lines(source);
        Assert.NotEmpty(shown);
        int at = Array.IndexOf(compiled, shown[1]);
        Assert.Equal("using Tandem.Inference;", shown[0]);
        Assert.Equal(shown[1..], compiled.Skip(at).Take(shown.Length - 1));

        string folder = Directory.CreateTempSubdirectory("tandem-docs-").FullName;
        using (Model model = TinyModels.Initialized(TinyModels.Llama(positions: 128)))
        {
            model.Save(folder);
            TokenizerJson.Save(Tokenizer.OfBytes(), Path.Combine(folder, TokenizerJson.FileName));
        }

        TextWriter console = Console.Out;
        using var output = new StringWriter();
        Console.SetOut(output);
        try
        {
            await LibraryExample.Run(folder, ["Where is Anna?", "Who has the ball?"]);
        }
        finally
        {
            Console.SetOut(console);
            Directory.Delete(folder, recursive: true);
        }

        Assert.Contains("Who has the ball? -> ", output.ToString(), StringComparison.Ordinal);
    }

    private static string[] Lines(string text) => [.. text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0)];

    private static string Read(string path)
    {
        for (string? folder = AppContext.BaseDirectory; folder != null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, path))) return File.ReadAllText(Path.Combine(folder, path)).ReplaceLineEndings("\n");
        throw new FileNotFoundException("not above the test binary", path);
    }
}
