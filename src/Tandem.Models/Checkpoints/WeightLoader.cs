using System.Runtime.ExceptionServices;
using Tandem.Graph;

namespace Tandem.Models;

/// <summary>Reads stored tensors into the memory of weights, converted and packed in pieces on all processors; a piece at a time exists as f32.</summary>
internal static unsafe class WeightLoader
{
    private const long PieceElements = 1 << 18;

    /// <summary>The type that all matrices are stored in where weights can have it, else f32.</summary>
    public static DType CommonType(IReadOnlyList<StoredTensor> tensors)
    {
        DType?[] types = [.. tensors.Where(t => t.Shape.Rank > 1).Select(t => t.ElementType).Distinct()];
        return types is [DType.BF16 or DType.F16] ? types[0]!.Value : DType.F32;
    }

    /// <summary>Fills each target, zeroed memory of its type, with the elements of its tensor.</summary>
    /// <exception cref="TandemException">Weights are not finite.</exception>
    public static void Load(IReadOnlyList<(StoredTensor Stored, TensorType Type, NativeBuffer Target)> weights)
    {
        var damaged = new DamagedWeights();
        var pieces = new List<(int Weight, long First, long Count)>();
        for (int i = 0; i < weights.Count; i++)
        {
            long elements = weights[i].Type.Width, piece = PieceOf(weights[i].Type);
            for (long first = 0; first < elements; first += piece) pieces.Add((i, first, Math.Min(piece, elements - first)));
        }

        try
        {
            Parallel.ForEach(
                pieces,
                () => new NativeBuffer(0),
                (piece, _, rows) =>
                {
                    (StoredTensor stored, TensorType type, NativeBuffer target) = weights[piece.Weight];
                    if (type.DType.IsBlock())
                    {
                        Repack(stored, type, piece.First, piece.Count, target, damaged);
                        return rows;
                    }

                    if (rows.Bytes < piece.Count * sizeof(float))
                    {
                        rows.Dispose();
                        rows = new NativeBuffer(piece.Count * sizeof(float));
                    }

                    stored.CopyTo(DType.F32, rows.Pointer, piece.First, piece.Count, threads: 1);
                    var values = new ReadOnlySpan<float>(rows.Pointer, checked((int)piece.Count));
                    damaged.Check(stored, piece.First, values);
                    Layouts.Pack(type, values, piece.First, target.Pointer);
                    return rows;
                },
                rows => rows.Dispose());
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        damaged.ThrowIfAny();
    }

    // Blocks keep their bytes; rows go to their places in panels. Ranges count in the order of the file, where rows are outputs.
    private static void Repack(StoredTensor stored, TensorType type, long first, long count, NativeBuffer target, DamagedWeights damaged)
    {
        if (stored.BlockType != type.DType) throw new TandemException($"'{stored.Name}' is stored as {stored.ElementType?.Name() ?? stored.Type.Name()}, which cannot be loaded as {type.DType.Name()}");
        int columns = (int)Inputs(type), numBlocks = columns / type.DType.BlockElements();
        bool inPanels = type.Layout is Layout.Panel16 or Layout.Panel16Transposed;
        Span<nint> rows = stackalloc nint[BlockPanels.Rows];
        for (long row = first / columns, end = row + (count / columns); row < end; row += BlockPanels.Rows)
        {
            int height = (int)Math.Min(BlockPanels.Rows, end - row);
            for (int i = 0; i < height; i++)
            {
                rows[i] = (nint)stored.RowPointer(row + i);
                damaged.CheckRow(stored, row + i, new ReadOnlySpan<byte>((byte*)rows[i], (int)type.DType.Bytes(columns)));
            }

            if (inPanels) BlockPanels.Pack(type.DType, rows[..height], numBlocks, target.Pointer + (row / BlockPanels.Rows * numBlocks * BlockPanels.GroupBytes(type.DType)));
            else for (int i = 0; i < height; i++) new ReadOnlySpan<byte>((byte*)rows[i], (int)type.DType.Bytes(columns)).CopyTo(new Span<byte>(target.Pointer + ((row + i) * type.DType.Bytes(columns)), (int)type.DType.Bytes(columns)));
        }
    }

    // Blocks run over the inputs, whichever way the checkpoint turns the matrix.
    private static long Inputs(TensorType type) => type.Layout == Layout.Panel16Transposed ? type.Dims[0] : type.Width / Math.Max(1, type.Dims[0]);

    // Whole groups of 16 rows, so that no two threads write to one panel's cache lines.
    private static long PieceOf(TensorType type)
    {
        if (type.Dims.Length < 2) return PieceElements;
        long group = 16 * Math.Max(1, type.DType.IsBlock() ? Inputs(type) : type.Width / Math.Max(1, type.Dims[0]));
        return Math.Max(1, PieceElements / group) * group;
    }
}
