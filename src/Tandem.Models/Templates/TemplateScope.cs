namespace Tandem.Models;

/// <summary>
/// The names of one body, inside those of the bodies around it. The names of a template are one text each, and are found by identity in a list; those that a rendering is given
/// are found by their content, in a dictionary around all scopes.
/// </summary>
internal sealed class TemplateScope
{
    /// <summary>Names that are set without standing in the template.</summary>
    public static readonly string Loop = "loop", Caller = "caller", Varargs = "varargs", Kwargs = "kwargs";

    /// <summary>All of them.</summary>
    public static readonly string[] OwnNames = [Loop, Caller, Varargs, Kwargs];

    private const int MostListed = 32;

    private KeyValuePair<string, TemplateValue>[] _listed = [];
    private int _count;
    private Dictionary<string, TemplateValue>? _names;

    /// <summary>A scope inside another.</summary>
    public TemplateScope(TemplateScope parent) => Parent = parent;

    /// <summary>The outermost scope.</summary>
    public TemplateScope(Dictionary<string, TemplateValue> names) => _names = names;

    /// <summary>Whether a macro keeps the scope beyond its body.</summary>
    public bool IsCaptured { get; private set; }

    private TemplateScope? Parent { get; }

    /// <summary>The value of a name, or null.</summary>
    public TemplateValue? Find(string name)
    {
        for (TemplateScope? scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._names is not null)
            {
                if (scope._names.TryGetValue(name, out TemplateValue? value))
                    return value;
                continue;
            }

            KeyValuePair<string, TemplateValue>[] listed = scope._listed;
            for (int i = 0; i < scope._count && i < listed.Length; i++)
            {
                if (ReferenceEquals(listed[i].Key, name))
                    return listed[i].Value;
            }
        }

        return null;
    }

    /// <summary>Sets a name of the template.</summary>
    public void Set(string name, TemplateValue value)
    {
        if (_names is not null)
        {
            _names[name] = value;
            return;
        }

        int index = 0;
        while (index < _count && !ReferenceEquals(_listed[index].Key, name))
            index++;
        if (index == MostListed)
        {
            _names = new Dictionary<string, TemplateValue>(_listed, StringComparer.Ordinal) { [name] = value };
            return;
        }

        if (index == _listed.Length)
            Array.Resize(ref _listed, Math.Max(4, 2 * _count));
        _listed[index] = new(name, value);
        _count = Math.Max(_count, index + 1);
    }

    /// <summary>Forgets all names, for the next round of a loop.</summary>
    public void Clear()
    {
        _names = null;
        _listed.AsSpan(0, _count).Clear();
        _count = 0;
    }

    /// <summary>Keeps this scope and those around it as they are.</summary>
    public void Capture()
    {
        for (TemplateScope? scope = this; scope is { IsCaptured: false }; scope = scope.Parent)
            scope.IsCaptured = true;
    }
}
