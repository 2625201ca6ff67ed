using Tandem.Cpu;
using Tandem.Graph;
using Tandem.Graph.Ops;

namespace Tandem.Cli.Bench;

/// <summary>The sizes of a linear layer and its three products: rows x, weights [n, k].</summary>
internal readonly record struct ProductShape(int Rows, int N, int K)
{
    /// <summary>Floating-point operations of one product.</summary>
    public double Flops => 2.0 * Rows * N * K;

    public override string ToString() => $"{Rows} x {N} x {K}";
}

/// <summary>Which product of a linear layer.</summary>
internal enum ProductKind
{
    /// <summary>y = x W^T.</summary>
    Forward,

    /// <summary>dx = dy W.</summary>
    InputGrad,

    /// <summary>dW += dy^T x.</summary>
    WeightGrad,
}

/// <summary>Products as ours and as OpenBLAS does them.</summary>
internal static unsafe class Products
{
    /// <summary>A graph of one product.</summary>
    public static SingleOp Own(ProductKind kind, ProductShape shape, ThreadTeam team, DType weightType = DType.F32) => new(
        g =>
        {
            var w = new TensorType(DType.F32, RowSymbol.None, shape.N, shape.K);
            Value Rows(string name, int width) => g.Input(name, new TensorType(DType.F32, RowSymbol.Tokens, width));
            g.Output("result", kind switch
            {
                ProductKind.Forward => g.Apply(new Linear(), "y", Rows("x", shape.K), g.Parameter("w", w)),
                ProductKind.InputGrad => g.Apply(new LinearInputGrad(), "dx", Rows("dy", shape.N), g.Parameter("w", w)),
                _ => g.Apply(new LinearWeightGrad(), "dw", Rows("dy", shape.N), Rows("x", shape.K), g.State("grad.w", w)),
            });
        },
        shape.Rows,
        team,
        weightType);

    /// <summary>The same product by OpenBLAS, over memory that is large enough for the longest operand.</summary>
    public static void OpenBlas(OpenBlas blas, ProductKind kind, ProductShape shape, NativeBuffer a, NativeBuffer b, NativeBuffer c)
    {
        float* pa = (float*)a.Pointer, pb = (float*)b.Pointer, pc = (float*)c.Pointer;
        if (kind == ProductKind.Forward) blas.Forward(shape.Rows, shape.N, shape.K, pa, pb, pc);
        else if (kind == ProductKind.InputGrad) blas.InputGrad(shape.Rows, shape.N, shape.K, pa, pb, pc);
        else blas.WeightGrad(shape.Rows, shape.N, shape.K, pa, pb, pc);
    }

    /// <summary>
    /// Asks the backend for weights of a type: compiles a small product and looks whether it computes what the same weights in f32 give.
    /// </summary>
    /// <returns>Null if it does; otherwise what is wrong.</returns>
    public static string? WhyNot(DType weightType, ThreadTeam team)
    {
        var shape = new ProductShape(1, 16, 16);
        try
        {
            using SingleOp narrow = Own(ProductKind.Forward, shape, team, weightType), wide = Own(ProductKind.Forward, shape, team);
            narrow.Run();
            wide.Run();
            float* a = (float*)narrow.Output("result"), b = (float*)wide.Output("result");
            for (int i = 0; i < shape.N; i++)
                if (!(Math.Abs(a[i] - b[i]) < 0.1)) return $"the product with weights of {weightType.Name()} is wrong: {a[i]} where f32 gives {b[i]}";
            return null;
        }
        catch (GraphException e)
        {
            return e.Message;
        }
    }
}
