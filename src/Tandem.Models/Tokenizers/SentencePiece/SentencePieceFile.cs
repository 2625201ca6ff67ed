namespace Tandem.Models;

/// <summary>What a SentencePiece <c>.model</c> file says: the fields of its protocol-buffer message that matter for encoding.</summary>
internal sealed class SentencePieceFile
{
    private const int MaxFileBytes = 256 << 20, MaxPieces = 1 << 22;

    private readonly List<VocabularyPiece> _pieces = [];
    private byte[] _rules = [];

    private SentencePieceFile()
    {
    }

    /// <summary>The pieces by id.</summary>
    public IReadOnlyList<VocabularyPiece> Pieces => _pieces;

    /// <summary>1 is unigram, 2 BPE, 3 words, 4 characters.</summary>
    public int ModelType { get; private set; } = 1;

    /// <summary>Whether unknown characters are written as bytes.</summary>
    public bool ByteFallback { get; private set; }

    /// <summary>What the unknown piece is shown as.</summary>
    public string UnknownSurface { get; private set; } = " \u2047 ";

    /// <summary>The piece that begins a text.</summary>
    public string BosPiece { get; private set; } = "<s>";

    /// <summary>The piece that ends a text.</summary>
    public string EosPiece { get; private set; } = "</s>";

    /// <summary>What the normalizer does.</summary>
    public SentencePieceNormalizerOptions Normalizer { get; private set; } = new();

    /// <summary>Reads a file.</summary>
    /// <exception cref="TandemException">It cannot be read, or is malformed.</exception>
    public static SentencePieceFile Load(string path) => Read(BoundedFile.ReadAllBytes(path, MaxFileBytes));

    /// <summary>Reads the bytes of a file.</summary>
    /// <exception cref="TandemException">They are malformed.</exception>
    public static SentencePieceFile Read(ReadOnlySpan<byte> bytes)
    {
        var file = new SentencePieceFile();
        var message = new ProtobufReader(bytes);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1: file.ReadPiece(message.Bytes(out long piece), piece); break;
                case 2: file.ReadTrainer(message.Bytes(out long trainer), trainer); break;
                case 3: file.ReadNormalizer(message.Bytes(out long normalizer), normalizer); break;
                default: message.Skip(); break;
            }
        }

        if (file._pieces.Count == 0) throw new TandemException("there are no pieces (field 1); is this a SentencePiece model?");
        if (file._rules.Length > 0) file.Normalizer = file.Normalizer with { Rules = CompiledRules.Of(file._rules, "normalizer_spec.precompiled_charsmap") };
        return file;
    }

    private void ReadPiece(ReadOnlySpan<byte> bytes, long start)
    {
        if (_pieces.Count == MaxPieces) throw new TandemException($"byte {start:N0}: more than {MaxPieces} pieces");
        string text = "";
        float score = 0;
        int type = (int)PieceType.Normal;
        var message = new ProtobufReader(bytes, start);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 1: text = message.String(); break;
                case 2: score = message.Float(); break;
                case 3: type = message.Int32(); break;
                default: message.Skip(); break;
            }
        }

        if (text.Length == 0) throw new TandemException($"pieces[{_pieces.Count}]: is empty, wanted at least one character");
        if (type is < (int)PieceType.Normal or > (int)PieceType.Byte) throw new TandemException($"pieces[{_pieces.Count}]: type {type}, wanted {(int)PieceType.Normal} to {(int)PieceType.Byte}");
        _pieces.Add(new VocabularyPiece(text, score, (PieceType)type));
    }

    private void ReadTrainer(ReadOnlySpan<byte> bytes, long start)
    {
        var message = new ProtobufReader(bytes, start);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 3: ModelType = message.Int32(); break;
                case 24: Normalizer = Normalizer with { WhitespaceAsSuffix = message.Bool() }; break;
                case 35: ByteFallback = message.Bool(); break;
                case 44: UnknownSurface = message.String(); break;
                case 46: BosPiece = message.String(); break;
                case 47: EosPiece = message.String(); break;
                default: message.Skip(); break;
            }
        }
    }

    private void ReadNormalizer(ReadOnlySpan<byte> bytes, long start)
    {
        var message = new ProtobufReader(bytes, start);
        while (message.Next())
        {
            switch (message.Field)
            {
                case 2: _rules = message.Bytes(out _).ToArray(); break;
                case 3: Normalizer = Normalizer with { AddDummyPrefix = message.Bool() }; break;
                case 4: Normalizer = Normalizer with { RemoveExtraWhitespaces = message.Bool() }; break;
                case 5: Normalizer = Normalizer with { EscapeWhitespaces = message.Bool() }; break;
                default: message.Skip(); break;
            }
        }
    }
}
