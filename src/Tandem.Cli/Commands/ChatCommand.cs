using System.CommandLine;
using System.Globalization;
using Tandem.Inference;
using Tandem.Models;

namespace Tandem.Cli.Commands;

/// <summary>A conversation at the terminal.</summary>
internal static class ChatCommand
{
    private const string Help = """
          /system TEXT       what stands before the conversation
          /temperature X     how freely answers are drawn; 0 takes the most likely token
          /seed N            the same seed gives the same answers
          /regenerate        answer the last question once more, with the next seed
          /undo              take the last question and its answer back
          /reset             forget the conversation
          /save FILE         write the conversation (JSON)
          /load FILE         go on with a written one
          /help              this
          /quit              leave (Ctrl-D too); Ctrl-C stops an answer, twice leaves
        """;

    public static Command Create()
    {
        var model = new Argument<string>("model") { Description = "Model directory (config.json, model.safetensors, tokenizer.json), or a GGUF file" };
        var system = new Option<string>("--system") { Description = "Text before the conversation", DefaultValueFactory = _ => "" };
        var flags = new ChatFlags();
        var sampling = new SamplingFlags(maxTokens: 512);
        var command = new Command("chat", """
            Talk with a model, through its chat template or one that you choose. Lines that start with / are commands; /help lists them.

            Examples:
              tandem chat my-model --temperature 0.7 --system "Answers are short."
              tandem chat tandem-demo/model --chat-template plain
            """)
        {
            model, system,
        };
        flags.AddTo(command);
        sampling.AddTo(command);
        command.SetAction(parse =>
        {
            string folder = parse.GetValue(model)!;
            ModelTemplates templates = flags.Templates(parse, folder);
            ChatFlags.Require(templates, folder);
            using Generator generator = sampling.Load(parse, folder, templates);
            SamplingOptions options = sampling.Read(parse, generator.Defaults);
            return new Session(generator, templates, flags.Options(parse), options with { Stop = [.. options.Stop, .. flags.Stop(parse)] }, parse.GetValue(system)!).Run();
        });
        return command;
    }

    /// <summary>The loop of questions and answers.</summary>
    private sealed class Session(Generator generator, ModelTemplates templates, ChatPromptOptions prompt, SamplingOptions options, string system)
    {
        private readonly Lock _gate = new();
        private SamplingOptions _options = options;
        private string _system = system;
        private Conversation _conversation = new();
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
                    else if (line.Length > 0) Answer(_conversation.With(ChatMessage.Of("user", line)));
                }
            }
            finally
            {
                Console.CancelKeyPress -= OnPress;
            }
        }

        private Conversation WithSystem(Conversation conversation) =>
            _system.Length == 0 ? conversation : conversation with { Messages = [ChatMessage.Of("system", _system), .. conversation.Messages] };

        // The conversation ends with the question; it is kept only if there is an answer.
        private void Answer(Conversation conversation)
        {
            var source = new CancellationTokenSource();
            lock (_gate) _answer = source;
            try
            {
                bool started = false;
                Completion answer = generator.Generate(ChatPrompt.Render(WithSystem(conversation), templates, prompt), _options, Show, source.Token);
                Console.WriteLine();
                if (answer.Error != null) Console.Error.WriteLine("error: " + answer.Error);
                else _conversation = conversation.With(ChatMessage.Of("assistant", answer.Text.Trim()));

                void Show(string piece)
                {
                    // Some formats leave white space before the answer.
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
                    case "/reset": _conversation = new Conversation(); break;
                    case "/system": _system = value; break;
                    case "/undo": _conversation = BeforeLast("user", "there is nothing to take back"); break;
                    case "/regenerate": Regenerate(); break;
                    case "/save": AtomicFile.WriteAllBytes(Needed(value, "/save FILE"), ConversationJson.Write(WithSystem(_conversation))); break;
                    case "/load": Load(Needed(value, "/load FILE")); break;
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

        // What came before the last message of a role.
        private Conversation BeforeLast(string role, string otherwise)
        {
            int last = _conversation.Messages.ToList().FindLastIndex(m => m.Role == role);
            return last >= 0 ? _conversation with { Messages = [.. _conversation.Messages.Take(last)] } : throw new TandemException(otherwise);
        }

        private void Regenerate()
        {
            Conversation question = BeforeLast("assistant", "there is no answer to give again");
            _options = _options with { Seed = _options.Seed + 1 };
            Answer(question);
        }

        private void Load(string path)
        {
            Conversation loaded = ConversationJson.Load(path);
            bool hasSystem = loaded.Messages is [{ Role: "system", Text: not null }, ..];
            _system = hasSystem ? loaded.Messages[0].Text! : "";
            _conversation = hasSystem ? loaded with { Messages = [.. loaded.Messages.Skip(1)] } : loaded;
            Console.WriteLine($"{_conversation.Messages.Count(m => m.Role == "user")} turns");
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
