using System.Globalization;
using System.Net;
using System.Text;

namespace Tandem.Graph;

/// <summary>
/// Plans as one HTML page that needs nothing else: for each a picture of the arena (a rectangle is a buffer: from left to right the nodes it lives through, upwards the bytes
/// it takes), what else takes memory, and the nodes in order.
/// </summary>
public static class PlanPicture
{
    private const int Width = 1200, Height = 360;

    private const string Style = """
        :root { color-scheme: light dark; --text: #1c2024; --muted: #667078; --line: #d8dde2; --page: #ffffff; --forward: #1f6feb; --backward: #d1495b; --other: #2a8f5b; }
        @media (prefers-color-scheme: dark) { :root { --text: #e6e9ec; --muted: #98a2ab; --line: #363d44; --page: #14181c; --forward: #6ea8fe; --backward: #ff8fa0; --other: #6fd39d; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
        svg { width: 100%; height: auto; border: 1px solid var(--line); } svg text { font: 12px system-ui, sans-serif; fill: var(--muted); }
        rect { stroke: var(--page); stroke-width: .4; opacity: .8; } rect:hover { opacity: 1; stroke: var(--text); }
        .Forward { fill: var(--forward); } .Backward { fill: var(--backward); } .Merge, .Park, .Reduce, .Update { fill: var(--other); }
        table { border-collapse: collapse; } td { padding: .1rem 1rem .1rem 0; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
        td.n { text-align: right; } pre { font-size: 12px; overflow-x: auto; } figcaption, summary { color: var(--muted); }
        """;

    /// <summary>The page.</summary>
    public static string Html(string title, IEnumerable<Plan> plans)
    {
        var html = new StringBuilder();
        html.Append(CultureInfo.InvariantCulture, $"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{Text(title)}</title><style>{Style}</style></head><body>\n<h1>{Text(title)}</h1>\n");
        foreach (Plan plan in plans)
        {
            html.Append(CultureInfo.InvariantCulture, $"<h2>{Text(plan.Graph.Name)}</h2>\n<table>");
            foreach ((string name, long bytes) in plan.Memory()) html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Text(name)}</td><td class=\"n\">{Mib(bytes)} MiB</td></tr>");
            html.Append("</table>\n<figure>").Append(Svg(plan)).Append(CultureInfo.InvariantCulture, $"<figcaption>The arena: {Mib(plan.ArenaBytes)} MiB over {plan.Graph.Nodes.Count} nodes. Colours: forward, backward, what comes after. Names on hovering.</figcaption></figure>\n");
            html.Append(CultureInfo.InvariantCulture, $"<details><summary>{plan.Graph.Nodes.Count} nodes</summary><pre>{Text(plan.Graph.ToString())}</pre></details>\n");
        }

        return html.Append("</body></html>\n").ToString();
    }

    /// <summary>The arena of a plan as an SVG element.</summary>
    public static string Svg(Plan plan)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height + 20}\" role=\"img\" aria-label=\"arena of {Text(plan.Graph.Name)}\">");
        double perNode = (double)Width / Math.Max(1, plan.Graph.Nodes.Count), perByte = (double)Height / Math.Max(1, plan.ArenaBytes);
        foreach (Slot slot in plan.AllSlots.OrderBy(s => s.Offset).ThenBy(s => s.First))
        {
            int last = Math.Min(slot.Last, plan.Graph.Nodes.Count - 1);
            double x = slot.First * perNode, width = Math.Max(0.3, (last - slot.First + 1) * perNode), height = Math.Max(0.3, slot.Bytes * perByte);
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<rect class=\"{plan.Graph.Nodes[slot.First].Stage}\" x=\"{x:0.##}\" y=\"{Height - (slot.Offset * perByte) - height:0.##}\" width=\"{width:0.##}\" height=\"{height:0.##}\"><title>{Text(slot.Name)}, {Mib(slot.Bytes)} MiB, nodes {slot.First} to {slot.Last}</title></rect>");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"4\" y=\"14\">{Mib(plan.ArenaBytes)} MiB</text><text x=\"4\" y=\"{Height + 15}\">node 0</text><text x=\"{Width - 4}\" y=\"{Height + 15}\" text-anchor=\"end\">node {plan.Graph.Nodes.Count - 1}</text></svg>");
        return svg.ToString();
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Mib(long bytes) => (bytes / 1048576.0).ToString("N1", CultureInfo.InvariantCulture);
}
