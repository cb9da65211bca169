package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// chart draws lines over logarithmic axes as SVG.
type chart struct {
	title, x, y string
	lines       []line
	ticks       []tick                  // of the x axis; nil = powers of ten
	place       func(x float64) float64 // onto the x axis before scaling; nil = log10
}

type line struct {
	name   string
	points [][2]float64 // both coordinates positive
}

// tick is a labelled place of the x axis.
type tick struct {
	at   float64
	text string
}

const (
	chartWidth, chartHeight = 560.0, 300.0
	left, right, top, below = 70.0, 20.0, 30.0, 45.0
)

// colors are those of systemNames, told apart by those who see colors otherwise,
// too; so are the dashes.
var (
	colors = map[string]string{"pemba": "#0072b2", "spicedb": "#d55e00", "openfga": "#009e73"}
	dashes = map[string]string{"pemba": "none", "spicedb": "6 3", "openfga": "2 3"}
)

// svg is the drawing, "" if there is nothing to draw.
func (c *chart) svg() string {
	xs, ys := c.bounds()
	if xs.empty() || ys.empty() {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(c.title))
	fmt.Fprintf(&b, `<text x="%g" y="18" class="title">%s</text>`, left, html.EscapeString(c.title))
	c.axes(&b, xs, ys)
	for i, l := range c.lines {
		c.line(&b, l, xs, ys)
		x := left + 110*float64(i)
		fmt.Fprintf(&b, `<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="2" stroke-dasharray="%s"/><text x="%g" y="%g">%s</text>`,
			x, chartHeight-6, x+22, chartHeight-6, colors[l.name], dashes[l.name], x+28, chartHeight-2, html.EscapeString(l.name))
	}
	b.WriteString("</svg>")
	return b.String()
}

// span is the extent of an axis, in logarithms.
type span struct{ from, to float64 }

func (s span) empty() bool { return s.from > s.to }

// at is where v is between a and b.
func (s span) at(v, a, b float64) float64 {
	if s.to == s.from {
		return (a + b) / 2
	}
	return a + (b-a)*(v-s.from)/(s.to-s.from)
}

func (c *chart) onX(x float64) float64 {
	if c.place != nil {
		return c.place(x)
	}
	return math.Log10(x)
}

// bounds cover all points; that of the y axis ends at powers of ten.
func (c *chart) bounds() (xs, ys span) {
	xs, ys = span{math.Inf(1), math.Inf(-1)}, span{math.Inf(1), math.Inf(-1)}
	for _, l := range c.lines {
		for _, p := range l.points {
			x, y := c.onX(p[0]), math.Log10(p[1])
			xs = span{min(xs.from, x), max(xs.to, x)}
			ys = span{min(ys.from, math.Floor(y)), max(ys.to, math.Ceil(y))}
		}
	}
	if ys.from == ys.to {
		ys.to++
	}
	return xs, ys
}

func (c *chart) axes(b *strings.Builder, xs, ys span) {
	for e := ys.from; e <= ys.to; e++ {
		y := ys.at(e, chartHeight-below, top)
		fmt.Fprintf(b, `<line x1="%.4g" y1="%.4g" x2="%.4g" y2="%.4g" class="grid"/><text x="%.4g" y="%.4g" text-anchor="end">%s</text>`,
			left, y, chartWidth-right, y, left-6, y+4, short(math.Pow(10, e)))
	}
	ticks := c.ticks
	if ticks == nil {
		for e := math.Ceil(xs.from); e <= xs.to; e++ {
			ticks = append(ticks, tick{math.Pow(10, e), short(math.Pow(10, e))})
		}
	}
	for _, t := range ticks {
		if v := c.onX(t.at); v >= xs.from && v <= xs.to {
			x := xs.at(v, left, chartWidth-right)
			fmt.Fprintf(b, `<line x1="%.4g" y1="%.4g" x2="%.4g" y2="%.4g" class="grid"/><text x="%.4g" y="%.4g" text-anchor="middle">%s</text>`,
				x, top, x, chartHeight-below, x, chartHeight-below+14, t.text)
		}
	}
	fmt.Fprintf(b, `<text x="%.4g" y="%.4g" text-anchor="end">%s</text><text x="%.4g" y="%.4g" class="label">%s</text>`,
		chartWidth-right, chartHeight-below+28, html.EscapeString(c.x), 4.0, top-8, html.EscapeString(c.y))
}

func (c *chart) line(b *strings.Builder, l line, xs, ys span) {
	var path []string
	for _, p := range l.points {
		x := xs.at(c.onX(p[0]), left, chartWidth-right)
		y := ys.at(math.Log10(p[1]), chartHeight-below, top)
		path = append(path, fmt.Sprintf("%.1f,%.1f", x, y))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s"><title>%s: %s, %s</title></circle>`,
			x, y, colors[l.name], l.name, short(p[0]), short(p[1]))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`,
		strings.Join(path, " "), colors[l.name], dashes[l.name])
}

// short writes a number in few characters.
func short(v float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e6, "M"}, {1e3, "k"}} {
		if v >= u.of {
			return fmt.Sprintf("%.3g%s", v/u.of, u.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}
