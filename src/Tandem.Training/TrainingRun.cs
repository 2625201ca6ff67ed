using System.Text;
using System.Text.Json.Nodes;
using Tandem.Cpu;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>A run as its config describes it: text, tokenizer, model, steps, checkpoints. A run that was stopped goes on where its newest checkpoint is.</summary>
public sealed class TrainingRun : IDisposable
{
    private readonly TrainConfig _config;
    private readonly ThreadTeam _team;
    private readonly Model _model;
    private readonly WindowSource _source;
    private readonly int[] _validation;
    private readonly Lazy<Evaluator> _evaluator;
    private readonly FolderLock _lock;

    /// <summary>Reads the text, gets the tokenizer and the model, and restores the newest checkpoint of the output folder.</summary>
    public TrainingRun(TrainConfig config)
    {
        _config = config;
        Directory.CreateDirectory(config.OutputDir);
        _lock = FolderLock.Acquire(config.OutputDir);
        string text = ReadText(config.TrainFile);
        int cut = (int)(text.Length * (1 - config.ValidationFraction));
        string? newest = TrainerCheckpoint.Newest(config.OutputDir);
        Tokenizer = newest != null ? TokenizerJson.Load(Path.Combine(newest, TokenizerJson.FileName))
            : config.TokenizerPath != null ? TokenizerJson.Load(config.TokenizerPath)
            : TrainTokenizer(text.AsSpan(0, cut), config.VocabSize);
        int[] train = Tokenizer.Encode(text[..cut]);
        _validation = Tokenizer.Encode(text[cut..]);
        ValidationBytes = Encoding.UTF8.GetByteCount(text.AsSpan(cut));
        _source = new WindowSource(train, config.BatchSize, config.SequenceLength, config.Seed);
        _team = new ThreadTeam(config.Threads);
        _model = config.ModelPath != null ? Model.Load(config.ModelPath) : Initialized(config, Tokenizer.VocabSize);
        if (Tokenizer.VocabSize > _model.Config.VocabSize) throw new TandemException($"the tokenizer has {Tokenizer.VocabSize} tokens, the model {_model.Config.VocabSize}");
        Trainer = new Trainer(_model, _team, new TrainerOptions
        {
            MaxTokens = config.BatchSize * config.SequenceLength,
            MaxDocuments = config.BatchSize,
            Optimizer = config.Optimizer,
            MaxGradientNorm = config.MaxGradientNorm,
            Seed = config.Seed,
        });
        if (newest != null) TrainerCheckpoint.Restore(Trainer, newest);
        _evaluator = new Lazy<Evaluator>(() => new Evaluator(_model, _team, config.BatchSize, config.SequenceLength));
        TrainTokens = train.Length;
    }

    /// <summary>The trainer.</summary>
    public Trainer Trainer { get; }

    /// <summary>The tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Tokens of the text that is trained on.</summary>
    public int TrainTokens { get; }

    /// <summary>Tokens of the text that is kept for evaluation.</summary>
    public int ValidationTokens => _validation.Length;

    /// <summary>Bytes of the text that is kept for evaluation.</summary>
    public long ValidationBytes { get; }

    /// <summary>One optimizer step.</summary>
    public StepResult Step()
    {
        long step = Trainer.Step;
        for (int i = 0; i < _config.AccumulationSteps; i++)
        {
            Trainer.Batch.Clear();
            _source.Fill(Trainer.Batch, (step * _config.AccumulationSteps) + i);
            Trainer.Accumulate();
        }

        return Trainer.Update(_config.Schedule.At(step + 1));
    }

    /// <summary>Mean loss of the validation text in nats a token, and in bits a byte.</summary>
    public (double Nats, double BitsPerByte) Evaluate()
    {
        double nats = _evaluator.Value.Loss(_validation);
        return (nats, nats / Math.Log(2) * _validation.Length / ValidationBytes);
    }

    /// <summary>Saves a checkpoint, which is also a model directory.</summary>
    public string Save() => TrainerCheckpoint.Save(
        Trainer, _config.OutputDir, _config.SaveTotalLimit, folder => TokenizerJson.Save(Tokenizer, Path.Combine(folder, TokenizerJson.FileName)));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_evaluator.IsValueCreated) _evaluator.Value.Dispose();
        Trainer.Dispose();
        _model.Dispose();
        _team.Dispose();
        _lock.Dispose();
    }

    private static string ReadText(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TandemException($"data.train_file: {e.Message}", e);
        }

        if (bytes.Length == 0) throw new TandemException($"data.train_file: '{path}' is empty");
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new TandemException($"data.train_file: '{path}' is not UTF-8: byte 0x{e.BytesUnknown?[0]:x2} at {e.Index}", e);
        }
    }

    private static Tokenizer TrainTokenizer(ReadOnlySpan<char> text, int vocabSize)
    {
        var trainer = new BpeTrainer();
        trainer.Add(text);
        return trainer.Train(vocabSize, []);
    }

    private static Model Initialized(TrainConfig config, int vocabSize)
    {
        JsonObject json = JsonNode.Parse(config.ModelJson!)!.AsObject();
        json["vocab_size"] = vocabSize;
        var model = new Model(ModelConfig.Parse(json.ToJsonString(), "model"));
        model.Initialize(config.Seed, model.Config.InitializerRange);
        return model;
    }
}
