namespace Tandem.Models;

/// <summary>The variable <c>loop</c>: where a for statement stands. It reads ahead only as far as it is asked to.</summary>
internal sealed class LoopValue(IEnumerable<TemplateValue> items, ForStatement statement, TemplateScope scope, int depth) : TemplateValue
{
    private readonly IEnumerator<TemplateValue> _items = items.GetEnumerator();
    private readonly Queue<TemplateValue> _ahead = new();
    private TemplateValue[]? _changed;

    public ForStatement Statement { get; } = statement;

    /// <summary>The scope around the loop, in which a recursive call runs it again.</summary>
    public TemplateScope Scope { get; } = scope;

    public int Depth { get; } = depth;

    internal override string TypeName => "LoopContext";

    private TemplateValue? Previous { get; set; }

    private TemplateValue? Item { get; set; }

    private int Index { get; set; } = -1;

    public bool Next(out TemplateValue item)
    {
        bool any = _ahead.TryDequeue(out TemplateValue? next);
        if (!any && _items.MoveNext())
            (any, next) = (true, _items.Current);
        if (!any)
        {
            item = NoneValue.Instance;
            return false;
        }

        Previous = Item;
        Item = item = next!;
        Index++;
        return true;
    }

    public TemplateValue? Attribute(string name, TemplateEvaluator evaluator) => name switch
    {
        "index" => IntValue.Of(Index + 1),
        "index0" => IntValue.Of(Index),
        "length" => IntValue.Of(Length()),
        "revindex" => IntValue.Of(Length() - Index),
        "revindex0" => IntValue.Of(Length() - Index - 1),
        "first" => BoolValue.Of(Index == 0),
        "last" => BoolValue.Of(!Look(1)),
        "depth" => IntValue.Of(Depth + 1),
        "depth0" => IntValue.Of(Depth),
        "previtem" => Previous ?? evaluator.Undefined("there is no previous item"),
        "nextitem" => Look(1) ? _ahead.Peek() : evaluator.Undefined("there is no next item"),
        "cycle" => new TemplateFunction("cycle", (_, x) => x.Positional.Count > 0 ? x.Positional[Index % x.Positional.Count] : throw TemplateFault.Type("no items for cycling given")),
        "changed" => new TemplateFunction("changed", (e, x) => BoolValue.Of(Changed([.. x.Positional], e.Budget))),
        _ => null,
    };

    private bool Look(int count)
    {
        while (_ahead.Count < count && _items.MoveNext())
            _ahead.Enqueue(_items.Current);
        return _ahead.Count >= count;
    }

    private int Length()
    {
        Look(int.MaxValue);
        return Index + 1 + _ahead.Count;
    }

    private bool Changed(TemplateValue[] values, TemplateBudget budget)
    {
        if (_changed is not null && _changed.Length == values.Length && _changed.Zip(values).All(x => TemplateOperators.AreEqual(x.First, x.Second, budget)))
            return false;
        _changed = values;
        return true;
    }
}
