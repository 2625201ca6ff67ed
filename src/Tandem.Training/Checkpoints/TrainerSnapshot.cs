using Tandem.Graph;
using Tandem.Graph.Passes;
using Tandem.Models;

namespace Tandem.Training;

/// <summary>
/// The tensors of a trainer as a checkpoint holds them: views of its memory, or a copy from which a checkpoint can be written while training goes on.
/// </summary>
internal sealed unsafe class TrainerSnapshot : IDisposable
{
    private readonly Trainer _trainer;
    private readonly List<(string Name, TensorType Type, nint Live, NativeBuffer? Copy)> _weights = [];
    private readonly List<(string Name, TensorType Type, nint Live, NativeBuffer? Copy)> _states = [];

    /// <param name="trainer">The trainer.</param>
    /// <param name="copies">Whether there is memory for a copy; otherwise the trainer must stand still while the tensors are read.</param>
    public TrainerSnapshot(Trainer trainer, bool copies)
    {
        _trainer = trainer;
        foreach (string name in trainer.Model.WeightNames) Add(_weights, name, trainer.Model.TypeOf(name), trainer.Model.Buffer(name).Pointer);
        foreach (Value state in trainer.OptimizerState) Add(_states, state.Name, state.Type, trainer[state]);

        void Add(List<(string Name, TensorType Type, nint Live, NativeBuffer? Copy)> list, string name, TensorType type, byte* live) =>
            list.Add((name, type, (nint)live, copies ? new NativeBuffer(type.RowBytes) : null));
    }

    /// <summary>The model's config.</summary>
    public ModelConfig Config => _trainer.Model.Config;

    /// <summary>The weights.</summary>
    public IReadOnlyList<TensorSource> Weights => [.. _weights.Select(w => Source(w.Name, w))];

    /// <summary>The optimizer's state, master copies, averages.</summary>
    public IReadOnlyList<TensorSource> States => [.. _states.Select(s => Source(s.Name, s))];

    /// <summary>The weights with their moving averages in their places; null without averages.</summary>
    public IReadOnlyList<TensorSource>? Averages
    {
        get
        {
            Dictionary<string, (string Name, TensorType Type, nint Live, NativeBuffer? Copy)> averages = _states.ToDictionary(s => s.Name);
            if (!_weights.Exists(w => averages.ContainsKey(AddOptimizer.AverageName(w.Name)))) return null;
            return [.. _weights.Select(w => Source(w.Name, averages.GetValueOrDefault(AddOptimizer.AverageName(w.Name), w)))];
        }
    }

    /// <summary>Copies the trainer's memory.</summary>
    public void Take()
    {
        foreach ((_, TensorType type, nint live, NativeBuffer? copy) in _weights.Concat(_states))
            if (copy != null) Buffer.MemoryCopy((void*)live, copy.Pointer, copy.Bytes, type.RowBytes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, _, _, NativeBuffer? copy) in _weights.Concat(_states)) copy?.Dispose();
    }

    private static TensorSource Source(string name, (string Name, TensorType Type, nint Live, NativeBuffer? Copy) tensor) =>
        Model.LogicalTensor(name, tensor.Type, tensor.Copy != null ? tensor.Copy.Pointer : (byte*)tensor.Live);
}
