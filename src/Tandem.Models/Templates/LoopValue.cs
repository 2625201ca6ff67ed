namespace Tandem.Models;

/// <summary>
/// The variable <c>loop</c>: where a for statement stands. Lists, tuples and ranges are walked by their index; everything else is read ahead only as far as somebody asks.
/// </summary>
internal sealed class LoopValue : TemplateValue
{
    private readonly TemplateValue[]? _array;
    private readonly IEnumerator<TemplateValue>? _items;
    private readonly int _start, _step, _known;
    private Queue<TemplateValue>? _ahead;
    private TemplateValue[]? _changed;
    private int _index = -1;
    private TemplateValue? _previous, _item;

    public LoopValue(TemplateValue items, ForStatement statement, TemplateScope scope, int depth)
    {
        (Statement, Scope, Depth) = (statement, scope, depth);
        if (items is SequenceValue sequence)
            (_array, _known) = (sequence.Items, sequence.Items.Length);
        else if (items is RangeValue { IsSmall: true } range)
            (_start, _step, _known) = ((int)range.Start, (int)range.Step, (int)range.Count);
        else
            _items = TemplateOperators.Iterate(items).GetEnumerator();
    }

    public ForStatement Statement { get; }

    /// <summary>The scope around the loop, in which a recursive call runs it again.</summary>
    public TemplateScope Scope { get; }

    public int Depth { get; }

    internal override string TypeName => "LoopContext";

    public bool Next(out TemplateValue item)
    {
        TemplateValue? next = _items is null ? At(_index + 1) : Read();
        if (next is null)
        {
            item = NoneValue.Instance;
            return false;
        }

        _previous = _item;
        _item = item = next;
        _index++;
        return true;
    }

    public TemplateValue? Attribute(string name, TemplateEvaluator evaluator) => name switch
    {
        "index" => IntValue.Of(_index + 1),
        "index0" => IntValue.Of(_index),
        "length" => IntValue.Of(Length()),
        "revindex" => IntValue.Of(Length() - _index),
        "revindex0" => IntValue.Of(Length() - _index - 1),
        "first" => BoolValue.Of(_index == 0),
        "last" => BoolValue.Of(Peek() is null),
        "depth" => IntValue.Of(Depth + 1),
        "depth0" => IntValue.Of(Depth),
        "previtem" => _previous ?? evaluator.Undefined("there is no previous item"),
        "nextitem" => Peek() ?? evaluator.Undefined("there is no next item"),
        "cycle" => new TemplateFunction("cycle", (_, x) => x.Positional.Count > 0 ? x.Positional[_index % x.Positional.Count] : throw TemplateFault.Type("no items for cycling given")),
        "changed" => new TemplateFunction("changed", (e, x) => BoolValue.Of(Changed([.. x.Positional], e.Budget))),
        _ => null,
    };

    // Of a list or a range.
    private TemplateValue? At(int index)
    {
        if (index >= _known)
            return null;
        return _array is not null ? _array[index] : IntValue.Of(_start + ((long)index * _step));
    }

    private TemplateValue? Read() => _ahead is not null && _ahead.TryDequeue(out TemplateValue? next) ? next : _items!.MoveNext() ? _items.Current : null;

    private TemplateValue? Peek()
    {
        if (_items is null)
            return At(_index + 1);
        Look(1);
        return _ahead!.TryPeek(out TemplateValue? next) ? next : null;
    }

    private void Look(int count)
    {
        _ahead ??= new Queue<TemplateValue>();
        while (_ahead.Count < count && _items!.MoveNext())
            _ahead.Enqueue(_items.Current);
    }

    private int Length()
    {
        if (_items is null)
            return _known;
        Look(int.MaxValue);
        return _index + 1 + _ahead!.Count;
    }

    private bool Changed(TemplateValue[] values, TemplateBudget budget)
    {
        if (_changed is not null && _changed.Length == values.Length && _changed.Zip(values).All(x => TemplateOperators.AreEqual(x.First, x.Second, budget)))
            return false;
        _changed = values;
        return true;
    }
}
