using System.CommandLine;
using System.Globalization;
using Tandem.Inference;

namespace Tandem.Cli.Commands;

/// <summary>A conversation at the terminal.</summary>
internal static class ChatCommand
{
    private const string Help = """
          /system TEXT       what stands before the conversation
          /temperature X     how freely answers are drawn; 0 takes the most likely token
          /seed N            the same seed gives the same answers
          /undo              take the last question and its answer back
          /reset             forget the conversation
          /save FILE         write the conversation (JSON)
          /load FILE         go on with a written one
          /help              this
          /quit              leave (Ctrl-D too); Ctrl-C stops an answer, twice leaves
        """;

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory (config.json, model.safetensors, tokenizer.json)" };
        var system = new Option<string>("--system") { Description = "Text before the conversation", DefaultValueFactory = _ => "" };
        var sampling = new SamplingFlags(maxTokens: 512);
        var command = new Command("chat", """
            Talk with a model. Lines that start with / are commands; /help lists them.

            Example:
              tandem chat my-model --temperature 0.7 --system "Answers are short."
            """)
        {
            model, system,
        };
        sampling.AddTo(command);
        command.SetAction(parse =>
        {
            using Generator generator = sampling.Load(parse, parse.GetValue(model)!);
            SamplingOptions options = sampling.Read(parse, generator.Defaults);
            var history = new ChatHistory { System = parse.GetValue(system)! };
            return new Session(generator, history, options with { Stop = [.. options.Stop, ChatHistory.NextTurn] }).Run();
        });
        return command;
    }

    /// <summary>The loop of questions and answers.</summary>
    private sealed class Session(Generator generator, ChatHistory history, SamplingOptions options)
    {
        private readonly Lock _gate = new();
        private SamplingOptions _options = options;
        private CancellationTokenSource? _answer;
        private int _presses;

        public int Run()
        {
            Console.CancelKeyPress += OnPress;
            try
            {
                while (true)
                {
                    if (!Console.IsInputRedirected) Console.Write("> ");
                    if (Console.ReadLine() is not { } line) return 0;
                    lock (_gate) _presses = 0;
                    line = line.Trim();
                    if (line == "/quit") return 0;
                    if (line.StartsWith('/')) Obey(line);
                    else if (line.Length > 0) Answer(line);
                }
            }
            finally
            {
                Console.CancelKeyPress -= OnPress;
            }
        }

        private void Answer(string question)
        {
            var source = new CancellationTokenSource();
            lock (_gate) _answer = source;
            try
            {
                bool started = false;
                Completion answer = generator.Generate(history.Prompt(question), _options, Show, source.Token);
                Console.WriteLine();
                if (answer.Error != null) Console.Error.WriteLine("error: " + answer.Error);
                else history.Add(question, answer.Text);

                void Show(string piece)
                {
                    // The format leaves a space before the answer.
                    if (!started) piece = piece.TrimStart();
                    started |= piece.Length > 0;
                    Console.Write(piece);
                    Console.Out.Flush();
                }
            }
            catch (TandemException e)
            {
                Console.Error.WriteLine("error: " + e.Message);
            }
            finally
            {
                lock (_gate) _answer = null;
                source.Dispose();
            }
        }

        private void Obey(string line)
        {
            string[] words = line.Split(' ', 2, StringSplitOptions.TrimEntries);
            string name = words[0], value = words.Length > 1 ? words[1] : "";
            try
            {
                switch (name)
                {
                    case "/help": Console.WriteLine(Help); break;
                    case "/reset": history.Reset(); break;
                    case "/system": history.System = value; break;
                    case "/undo": if (!history.Undo()) Console.WriteLine("there is nothing to take back"); break;
                    case "/save": history.Save(Needed(value, "/save FILE")); break;
                    case "/load": history.Load(Needed(value, "/load FILE")); Console.WriteLine($"{history.Count} turns"); break;
                    case "/temperature": _options = Valid(_options with { Temperature = Number(value) }); break;
                    case "/seed": _options = _options with { Seed = ulong.TryParse(value, CultureInfo.InvariantCulture, out ulong seed) ? seed : throw new TandemException($"/seed '{value}', wanted a whole number from 0") }; break;
                    default: Console.WriteLine($"'{name}' is no command; there are:\n{Help}"); break;
                }
            }
            catch (TandemException e)
            {
                Console.Error.WriteLine("error: " + e.Message);
            }
        }

        private static string Needed(string value, string usage) => value.Length > 0 ? value : throw new TandemException($"wanted {usage}");

        private static float Number(string value) =>
            float.TryParse(value, CultureInfo.InvariantCulture, out float number) ? number : throw new TandemException($"/temperature '{value}', wanted a number from 0");

        private static SamplingOptions Valid(SamplingOptions options)
        {
            options.Validate();
            return options;
        }

        // The first press stops the answer; where there is none, or it was stopped already, the second leaves.
        private void OnPress(object? sender, ConsoleCancelEventArgs e)
        {
            lock (_gate)
            {
                e.Cancel = ++_presses == 1;
                _answer?.Cancel();
                if (_answer == null && e.Cancel) Console.WriteLine("(Ctrl-C once more, or /quit, leaves)");
            }
        }
    }
}
