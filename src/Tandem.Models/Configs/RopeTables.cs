namespace Tandem.Models;

/// <summary>
/// Rope tables of several sequences in one state value, f32[2, tables * positions, pairs]: where frequencies depend on a sequence's length (dynamic, longrope),
/// each sequence has the table of its own greatest length from its first step to its last, whoever runs beside it.
/// </summary>
public sealed unsafe class RopeTables
{
    private readonly ModelConfig _config;
    private readonly int[] _lengths;
    private readonly bool[] _taken;
    private readonly float* _cos;
    private readonly float* _sin;
    private readonly int _pairs;

    /// <summary>All tables free.</summary>
    /// <param name="config">The model, whose rope depends on the length.</param>
    /// <param name="tables">Number of tables.</param>
    /// <param name="memory">The state's memory; it outlives this.</param>
    public RopeTables(ModelConfig config, int tables, byte* memory)
    {
        _config = config;
        _lengths = new int[tables];
        _taken = new bool[tables];
        _pairs = config.Rope!.RotaryDim(config.HeadDim) / 2;
        _cos = (float*)memory;
        _sin = _cos + ((long)tables * config.MaxPositions * _pairs);
    }

    /// <summary>Takes a free table and fills it for a sequence of up to <paramref name="length"/> tokens.</summary>
    /// <returns>Its first row.</returns>
    /// <exception cref="InvalidOperationException">None is free.</exception>
    public int Take(int length)
    {
        // One that is filled already, if there is one.
        int table = -1;
        for (int i = 0; i < _taken.Length; i++)
            if (!_taken[i] && (table < 0 || _lengths[i] == length)) table = i;
        if (table < 0) throw new InvalidOperationException($"all {_taken.Length} rope tables are taken: a bug of the scheduler");
        _taken[table] = true;
        if (_lengths[table] != length) Fill(table, length);
        return table * _config.MaxPositions;
    }

    /// <summary>Gives the table back that begins at this row.</summary>
    public void Return(int firstRow) => _taken[firstRow / _config.MaxPositions] = false;

    private void Fill(int table, int length)
    {
        (double[] frequencies, double multiplier) = RopeFrequencies.Compute(_config.Rope!, _config.HeadDim, length);
        long first = (long)table * _config.MaxPositions;
        for (int position = 0; position < Math.Min(length, _config.MaxPositions); position++)
            RopeTable.FillRow(frequencies, multiplier, position, _cos + ((first + position) * _pairs), _sin + ((first + position) * _pairs));
        _lengths[table] = length;
    }
}
