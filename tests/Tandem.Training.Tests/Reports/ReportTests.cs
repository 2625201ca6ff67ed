using System.Buffers.Binary;
using System.Text;
using System.Xml.Linq;
using Xunit;

namespace Tandem.Training.Tests;

/// <summary>Event files decoded again by the published formats, and charts that are well-formed.</summary>
public sealed class ReportTests
{
    [Fact]
    public void Checksums_of_records_are_the_published_ones()
    {
        // CRC32C of "123456789" is e3069283 (RFC 3720's polynomial); masked by the rule of TFRecord: rotate right by 15, add a282ead8.
        Assert.Equal(0xe3069283u, Checksum.Crc32C("123456789"u8));
        Assert.Equal(unchecked(((0xe3069283u >> 15) | (0xe3069283u << 17)) + 0xa282ead8u), TensorBoardWriter.Masked(0xe3069283));
        Assert.Equal(0xa282ead8u, TensorBoardWriter.Masked(0));
    }

    [Fact]
    public void An_event_file_reads_back()
    {
        using var folder = new TestFolder();
        using (var writer = new TensorBoardWriter(folder["board"], 3))
        {
            writer.Scalar(4, "train/loss", 1.5);
            writer.Scalar(300, "eval/loss", -0.25);
        }

        string path = Assert.Single(Directory.GetFiles(folder["board"]));
        Assert.StartsWith("events.out.tfevents.", Path.GetFileName(path), StringComparison.Ordinal);
        List<Dictionary<int, object>> events = [.. Records(File.ReadAllBytes(path)).Select(Fields)];
        Assert.Equal(4, events.Count);
        Assert.Equal("brain.Event:2", Encoding.UTF8.GetString((byte[])events[0][3]));
        Assert.Equal((4ul, 1ul), ((ulong)events[1][2], (ulong)Fields((byte[])events[1][7])[1]));
        Assert.Equal([(4ul, "train/loss", 1.5f), (300ul, "eval/loss", -0.25f)], events[2..].Select(e =>
        {
            Dictionary<int, object> value = Fields((byte[])Fields((byte[])e[5])[1]);
            return ((ulong)e[2], Encoding.UTF8.GetString((byte[])value[1]), (float)value[2]);
        }));
        Assert.All(events, e => Assert.InRange((double)e[1], 1e9, 1e11));
    }

    [Theory]
    [InlineData(new double[0])]
    [InlineData(new[] { 1.0 })]
    [InlineData(new[] { 2.0, 2.0, 2.0 })]
    [InlineData(new[] { 0.0, 0.0 })]
    [InlineData(new[] { -1e-9, 3e-9, double.NaN, double.PositiveInfinity })]
    [InlineData(new[] { 1e12, 5.0, -4e11 })]
    public void Charts_are_well_formed(double[] values)
    {
        string svg = SvgChart.Draw("a < b", new ChartSeries("x & y", [.. values.Select((v, i) => ((double)i, v))], Marked: true), new ChartSeries("other", [(0, 1)]));
        XElement figure = XElement.Parse(svg);
        Assert.DoesNotContain("NaN", svg, StringComparison.Ordinal);
        Assert.Equal(values.Any(double.IsFinite) ? 2 : 1, figure.Descendants("polyline").Count());
    }

    [Fact]
    public void A_long_curve_is_thinned_and_keeps_its_end()
    {
        string svg = SvgChart.Draw("long", new ChartSeries("x", [.. Enumerable.Range(0, 100_000).Select(i => ((double)i, (double)i))]));
        string points = (string)XElement.Parse(svg).Descendants("polyline").Single().Attribute("points")!;
        Assert.Equal(600, points.Split(' ').Length);
        Assert.Contains("99,999", svg, StringComparison.Ordinal);
    }

    private static IEnumerable<byte[]> Records(byte[] file)
    {
        for (int at = 0; at < file.Length;)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(at));
            Assert.Equal(TensorBoardWriter.Masked(Checksum.Crc32C(file.AsSpan(at, 8))), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 8)));
            byte[] data = file[(at + 12)..(at + 12 + length)];
            Assert.Equal(TensorBoardWriter.Masked(Checksum.Crc32C(data)), BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at + 12 + length)));
            yield return data;
            at += 16 + length;
        }
    }

    // A protobuf message's fields, by the wire types of its encoding.
    private static Dictionary<int, object> Fields(byte[] message)
    {
        var fields = new Dictionary<int, object>();
        int at = 0;
        while (at < message.Length)
        {
            ulong key = Varint();
            fields[(int)(key >> 3)] = (key & 7) switch
            {
                0 => Varint(),
                1 => BitConverter.ToDouble(Take(8)),
                2 => Take((int)Varint()),
                5 => BitConverter.ToSingle(Take(4)),
                _ => throw new InvalidDataException($"wire type {key & 7}"),
            };
        }

        return fields;

        ulong Varint()
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte b = message[at++];
                value |= (ulong)(b & 0x7f) << shift;
                if (b < 0x80) return value;
            }
        }

        byte[] Take(int count) => message[at..(at += count)];
    }
}
