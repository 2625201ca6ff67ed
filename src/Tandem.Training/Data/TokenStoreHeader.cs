using System.Buffers.Binary;

namespace Tandem.Training;

/// <summary>The 128 bytes that start a token store; the format is in <c>docs/formats.md</c>.</summary>
internal readonly record struct TokenStoreHeader
{
    public const int Size = 128;
    public const uint Version = 1;
    public const int Alignment = 64;

    /// <summary>More documents or tokens than this are not believed: sizes in bytes then fit in 63 bits.</summary>
    private const long Most = 1L << 56;

    private static ReadOnlySpan<byte> Magic => "TANDEMTK"u8;

    /// <summary>Bytes of a token, 2 or 4.</summary>
    public required int TokenBytes { get; init; }

    public required long NumTokens { get; init; }

    public required long NumDocuments { get; init; }

    /// <summary>Tokens of the tokenizer.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Id put behind every document; -1 for none.</summary>
    public required int EndToken { get; init; }

    /// <summary>Bytes of UTF-8 text.</summary>
    public required long TextBytes { get; init; }

    /// <summary>See <see cref="TokenStore.Fingerprint"/>.</summary>
    public required ulong Tokenizer { get; init; }

    /// <summary>XXH3 of everything behind the header.</summary>
    public required ulong Content { get; init; }

    /// <summary>Where the index of documents starts.</summary>
    public long IndexOffset => (Size + (NumTokens * TokenBytes) + Alignment - 1) / Alignment * Alignment;

    /// <summary>Size of the whole file.</summary>
    public long FileBytes => IndexOffset + (2 * sizeof(long) * (NumDocuments + 1));

    /// <summary>Bytes of a token for a vocabulary.</summary>
    public static int TokenBytesOf(int vocabSize) => vocabSize <= 1 << 16 ? 2 : 4;

    public byte[] Write()
    {
        var bytes = new byte[Size];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), (uint)TokenBytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), NumTokens);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), NumDocuments);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32), TextBytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(40), VocabSize);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(44), EndToken);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(48), Tokenizer);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(56), Content);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(Size - 8), Checksum.XxHash3(bytes.AsSpan(0, Size - 8)));
        return bytes;
    }

    /// <summary>Reads and checks a header; whether the file is as long as it says is the caller's to check.</summary>
    public static TokenStoreHeader Read(ReadOnlySpan<byte> bytes, string path)
    {
        if (!bytes.StartsWith(Magic)) throw new TandemException($"'{path}' is no token store: it does not start with TANDEMTK; make one with: tandem data build");
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (version != Version) throw new TandemException($"'{path}': token store of version {version}; accepted: {Version}");
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[(Size - 8)..]) != Checksum.XxHash3(bytes[..(Size - 8)]))
            throw new TandemException($"'{path}': the header's checksum is wrong, the file is damaged");
        var header = new TokenStoreHeader
        {
            TokenBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
            NumTokens = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            NumDocuments = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            TextBytes = BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            VocabSize = BinaryPrimitives.ReadInt32LittleEndian(bytes[40..]),
            EndToken = BinaryPrimitives.ReadInt32LittleEndian(bytes[44..]),
            Tokenizer = BinaryPrimitives.ReadUInt64LittleEndian(bytes[48..]),
            Content = BinaryPrimitives.ReadUInt64LittleEndian(bytes[56..]),
        };
        header.Check(path, bytes[64..(Size - 8)]);
        return header;
    }

    private void Check(string path, ReadOnlySpan<byte> reserved)
    {
        void Require(bool holds, string what, long value, string accepted)
        {
            if (!holds) throw new TandemException($"'{path}': {what} is {value}; accepted: {accepted}");
        }

        Require(VocabSize is > 0 and <= 1 << 24, "vocab_size", VocabSize, $"1 to {1 << 24}");
        Require(TokenBytes == TokenBytesOf(VocabSize), "bytes of a token", TokenBytes, $"{TokenBytesOf(VocabSize)} for a vocabulary of {VocabSize}");
        Require(NumTokens is > 0 and < Most, "number of tokens", NumTokens, $"1 to {Most - 1}");
        Require(NumDocuments > 0 && NumDocuments <= NumTokens, "number of documents", NumDocuments, $"1 to the number of tokens, {NumTokens}");
        Require(TextBytes is >= 0 and < Most, "number of text bytes", TextBytes, $"0 to {Most - 1}");
        Require(EndToken >= -1 && EndToken < VocabSize, "end token", EndToken, $"-1 to {VocabSize - 1}");
        Require(reserved.IndexOfAnyExcept((byte)0) < 0, "a reserved byte", reserved.IndexOfAnyExcept((byte)0) + 64, "zeros from byte 64 to 119");
    }
}
