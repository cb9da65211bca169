package main

import (
	"html/template"
	"io"
	"math"
)

// page is what the HTML report shows. The drawings are our own SVG.
type page struct {
	*report
	Names   []string
	Tables  []table
	Drawing []template.HTML
}

type table struct {
	Title string
	Rows  [][]string // a name, then a cell for each system
}

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"count": count}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>pemba beside its peers</title><style>
body{font:15px/1.45 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:.4em 0 1.4em}td,th{padding:.15em .9em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:1em}
svg{width:100%;font:11px system-ui,sans-serif}.title{font-weight:600;font-size:13px}.grid{stroke:#e4e4e4}.label{fill:#666}
</style></head><body>
<h1>pemba beside its peers{{with .Note}}: {{.}}{{end}}</h1>
<p>{{.Time.Format "2006-01-02 15:04 MST"}}, commit {{.Commit}}, {{.Machine.CPUs}} processors ({{.Machine.CPU}}), {{.Machine.MemoryMB}} MB, {{.Machine.Go}}.
Workload {{.Population.Workload}}, {{.Population.Tuples}} tuples, seed {{.Population.Seed}}. {{.Rounds}} rounds of {{.Seconds}} s, systems in turn; consistency {{.Consistency}}, {{.Connections}} connections.
{{.Agreed}} questions and lists were answered alike by all that took part.
Load averages before: {{.LoadBefore}}.{{range $name, $s := .Systems}} {{$name}}: {{$s}}.{{end}} Empty columns: did not take part, or not measured. Nothing is estimated.</p>
{{range .Tables}}<h3>{{.Title}}</h3><table><tr><th></th>{{range $.Names}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>{{end}}</table>{{end}}
<div class="charts">{{range .Drawing}}<div>{{.}}</div>{{end}}</div>
</body></html>
`))

// html writes the report as one file that needs no other.
func (r *report) html(out io.Writer) error {
	p := page{report: r, Names: systemNames}
	p.Tables = []table{{"import", [][]string{append([]string{"tuples/s"}, r.imported()...)}}}
	for i := range r.Rows {
		p.Tables = append(p.Tables, r.Rows[i].table(r.Rows[i].point.String()))
		p.draw(latencies(&r.Rows[i]))
	}
	for i := range r.Sweeps {
		s := &r.Sweeps[i]
		p.draw(s.curve("checks/s", func(f *figures) float64 { return f.PerSecond }))
		p.draw(s.curve("p99, µs", func(f *figures) float64 { return f.P99 }))
		for k := range s.Rows {
			p.Tables = append(p.Tables, s.Rows[k].table(s.title(k)))
		}
	}
	return pageTemplate.Execute(out, p)
}

func (p *page) draw(c chart) {
	if svg := c.svg(); svg != "" {
		p.Drawing = append(p.Drawing, template.HTML(svg)) // escaped by chart
	}
}

func (r *row) table(title string) table {
	t := table{Title: title}
	r.each(func(name string, cells []string) { t.Rows = append(t.Rows, append([]string{name}, cells...)) })
	return t
}

// latencies draws each system's distribution. The x axis stretches the tail: each
// nine takes as much room as the one before.
func latencies(r *row) chart {
	c := chart{
		title: "latency: " + r.point.String(), x: "share of the requests", y: "µs",
		place: func(share float64) float64 { return -math.Log10(1 - share) },
		ticks: []tick{{0, "0"}, {0.5, "50 %"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {0.9999, "99.99 %"}},
	}
	for _, name := range systemNames {
		f := r.Systems[name]
		if f == nil {
			continue
		}
		l := line{name: name}
		for _, q := range f.Distribution {
			l.points = append(l.points, [2]float64{q.Share, max(q.Time, 1)})
		}
		c.lines = append(c.lines, l)
	}
	return c
}

// curve draws a figure over the sweep's parameter. Where the parameter is 0, a
// logarithm has no place, so it is drawn at 1.
func (s *sweep) curve(y string, figure func(*figures) float64) chart {
	c := chart{title: y + " over " + s.Parameter, x: s.Parameter, y: y}
	for _, name := range systemNames {
		l := line{name: name}
		for i := range s.Rows {
			if f := s.Rows[i].Systems[name]; f != nil && figure(f) > 0 {
				l.points = append(l.points, [2]float64{float64(max(s.Rows[i].Value, 1)), figure(f)})
			}
		}
		if len(l.points) > 0 {
			c.lines = append(c.lines, l)
		}
	}
	for i := range s.Rows {
		v := s.Rows[i].Value
		c.ticks = append(c.ticks, tick{float64(max(v, 1)), short(float64(v))})
	}
	return c
}
