using System.Runtime.InteropServices;

namespace Tandem.Cli.Bench;

/// <summary>OpenBLAS, loaded where the system has it: the yardstick of matrix products. Row-major operands.</summary>
internal sealed unsafe partial class OpenBlas
{
    private const int RowMajor = 101, Plain = 111, Transposed = 112;

    private static readonly string[] Names = ["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib", "libopenblas.dll"];

    private readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> _sgemm;
    private readonly delegate* unmanaged<int, int, int, int, float, float*, int, float*, int, float, float*, int, void> _sgemv;

    private OpenBlas(nint library, int threads)
    {
        _sgemm = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)NativeLibrary.GetExport(library, "cblas_sgemm");
        _sgemv = (delegate* unmanaged<int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)NativeLibrary.GetExport(library, "cblas_sgemv");
        ((delegate* unmanaged<int, void>)NativeLibrary.GetExport(library, "openblas_set_num_threads"))(threads);
        Config = Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)NativeLibrary.GetExport(library, "openblas_get_config"))()) ?? "";
    }

    /// <summary>Its version and kernels, as it says.</summary>
    public string Config { get; }

    /// <summary>Loads it, or gives null where there is none.</summary>
    public static OpenBlas? TryLoad(int threads)
    {
        // Its threads spin for 100 ms after a product, on the cores that are measured next. 2^20 ticks, half a millisecond, still covers calls in a row.
        if (OperatingSystem.IsLinux()) _ = SetVariable("OPENBLAS_THREAD_TIMEOUT", "20", 1);
        foreach (string name in Names)
            if (NativeLibrary.TryLoad(name, out nint library)) return new OpenBlas(library, threads);
        return null;
    }

    /// <summary>y[rows, n] = x[rows, k] w[n, k]^T; one row is a matrix-vector product.</summary>
    public void Forward(int rows, int n, int k, float* x, float* w, float* y)
    {
        if (rows == 1) _sgemv(RowMajor, Plain, n, k, 1, w, k, x, 1, 0, y, 1);
        else _sgemm(RowMajor, Plain, Transposed, rows, n, k, 1, x, k, w, k, 0, y, n);
    }

    /// <summary>dx[rows, k] = dy[rows, n] w[n, k].</summary>
    public void InputGrad(int rows, int n, int k, float* dy, float* w, float* dx)
    {
        if (rows == 1) _sgemv(RowMajor, Transposed, n, k, 1, w, k, dy, 1, 0, dx, 1);
        else _sgemm(RowMajor, Plain, Plain, rows, k, n, 1, dy, n, w, k, 0, dx, k);
    }

    /// <summary>dw[n, k] += dy[rows, n]^T x[rows, k].</summary>
    public void WeightGrad(int rows, int n, int k, float* dy, float* x, float* dw) =>
        _sgemm(RowMajor, Transposed, Plain, n, k, rows, 1, dy, n, x, k, 1, dw, k);

    // .NET's own environment is a copy that a C library does not see.
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
