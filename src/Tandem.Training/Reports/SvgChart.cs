using System.Globalization;
using System.Net;
using System.Text;

namespace Tandem.Training;

/// <summary>One line of a chart.</summary>
/// <param name="Name">Name in the legend.</param>
/// <param name="Points">Points with ascending x; those that are not finite are left out.</param>
/// <param name="Marked">Whether each point has a mark.</param>
internal sealed record ChartSeries(string Name, IReadOnlyList<(double X, double Y)> Points, bool Marked = false);

/// <summary>Draws curves as SVG whose colours are the page's, so that it reads in light and dark.</summary>
internal static class SvgChart
{
    private const int Width = 720, Height = 240, Left = 64, Right = 12, Top = 12, Bottom = 28, MostPoints = 600;

    /// <summary>The chart; empty without points.</summary>
    public static string Draw(string title, params ChartSeries[] series)
    {
        ChartSeries[] drawn = [.. series.Select(s => s with { Points = Thin([.. s.Points.Where(p => double.IsFinite(p.Y))]) }).Where(s => s.Points.Count > 0)];
        if (drawn.Length == 0) return "";
        double xMin = drawn.Min(s => s.Points[0].X), xMax = drawn.Max(s => s.Points[^1].X);
        double yMin = drawn.Min(s => s.Points.Min(p => p.Y)), yMax = drawn.Max(s => s.Points.Max(p => p.Y));
        if (xMax <= xMin) xMax = xMin + 1;
        double step = NiceStep((yMax - yMin) / 4, yMax);
        yMin = Math.Floor(yMin / step) * step;
        yMax = Math.Max(Math.Ceiling(yMax / step) * step, yMin + step);
        double X(double x) => Left + ((x - xMin) / (xMax - xMin) * (Width - Left - Right));
        double Y(double y) => Top + ((yMax - y) / (yMax - yMin) * (Height - Top - Bottom));

        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<figure><figcaption>{WebUtility.HtmlEncode(title)}</figcaption><svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{WebUtility.HtmlEncode(title)}\">\n");
        for (double y = yMin; y <= yMax + (step / 2); y += step)
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(y):F1}\" y2=\"{Y(y):F1}\"/><text x=\"{Left - 6}\" y=\"{Y(y) + 4:F1}\" text-anchor=\"end\">{Label(y, step)}</text>\n");
        foreach (double x in (double[])[xMin, (xMin + xMax) / 2, xMax])
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{X(x):F1}\" y=\"{Height - 8}\" text-anchor=\"{(x == xMax ? "end" : "middle")}\">{x:N0}</text>\n");
        for (int i = 0; i < drawn.Length; i++)
        {
            string points = string.Join(' ', drawn[i].Points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{X(p.X):F1},{Y(p.Y):F1}")));
            svg.Append(CultureInfo.InvariantCulture, $"<polyline class=\"s{i}\" points=\"{points}\"/>\n");
            if (!drawn[i].Marked) continue;
            foreach ((double x, double y) in drawn[i].Points) svg.Append(CultureInfo.InvariantCulture, $"<circle class=\"s{i}\" cx=\"{X(x):F1}\" cy=\"{Y(y):F1}\" r=\"3\"/>");
        }

        for (int i = 0; i < drawn.Length && drawn.Length > 1; i++)
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"s{i}\" x=\"{Width - Right - 4}\" y=\"{Top + 14 + (i * 16)}\" text-anchor=\"end\">{WebUtility.HtmlEncode(drawn[i].Name)}</text>\n");
        return svg.Append("</svg></figure>\n").ToString();
    }

    // Means of runs of points: a curve of a million steps is no larger than one of six hundred.
    private static List<(double X, double Y)> Thin(List<(double X, double Y)> points)
    {
        if (points.Count <= MostPoints) return points;
        var thin = new List<(double X, double Y)>();
        for (int i = 0; i < MostPoints; i++)
        {
            int from = (int)((long)i * points.Count / MostPoints), to = (int)((long)(i + 1) * points.Count / MostPoints);
            thin.Add((points[to - 1].X, points.GetRange(from, to - from).Average(p => p.Y)));
        }

        return thin;
    }

    // 1, 2 or 5 times a power of ten.
    private static double NiceStep(double rough, double size)
    {
        if (!(rough > 0)) return Math.Max(Math.Abs(size), 1e-12);
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double factor = rough / power;
        return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
    }

    private static string Label(double value, double step)
    {
        if (Math.Abs(value) < step / 2) return "0";
        if (Math.Abs(value) >= 1e5 || step < 1e-4) return value.ToString("0.##e0", CultureInfo.InvariantCulture);
        int decimals = (int)Math.Clamp(-Math.Floor(Math.Log10(step)), 0, 6);
        return value.ToString("F" + decimals, CultureInfo.InvariantCulture);
    }
}
