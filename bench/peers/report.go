package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pemba-authz/pemba/bench"
)

// report is all that a run has found, with what is needed to judge it.
type report struct {
	Time    time.Time     `json:"time"`
	Note    string        `json:"note,omitempty"` // the user's
	Commit  string        `json:"commit"`
	Machine bench.Machine `json:"machine"`
	Command string        `json:"command"` // this program's
	busyness
	Population  bench.Plan               `json:"population"`
	Consistency consistency              `json:"consistency"`
	Connections int                      `json:"connections"`
	Skew        float64                  `json:"skew,omitempty"` // exponent of the questions' Zipf distribution; 0 = uniform
	Seconds     float64                  `json:"seconds"`        // of one run
	Rounds      int                      `json:"rounds"`
	Systems     map[string]*installation `json:"systems"` // that took part
	Agreed      int                      `json:"agreed"`  // questions and lists that all answered alike
	Rows        []row                    `json:"rows"`
	Sweeps      []sweep                  `json:"sweeps,omitempty"`
}

// installation says how a population came onto a system.
type installation struct {
	Programs  []program `json:"programs,omitempty"` // if its processes are known
	Address   string    `json:"address"`
	Seconds   float64   `json:"import_seconds"`
	PerSecond float64   `json:"imported_per_second"`
}

// String says which programs it was.
func (s *installation) String() string {
	var all []string
	for _, p := range s.Programs {
		all = append(all, fmt.Sprintf("%s, `%s`", orUnknown(p.Version), orUnknown(p.Command)))
	}
	return orUnknown(strings.Join(all, "; "))
}

// figureRows are the lines of a table, one for each figure. A cell is empty where
// there is nothing to show.
var figureRows = []struct {
	name string
	text func(*figures) string
}{
	{"requests/s", func(f *figures) string { return count(f.PerSecond) }},
	{"items/s", func(f *figures) string { return count(f.itemRate()) }},
	{"requests", func(f *figures) string { return count(float64(f.Requests)) }},
	{"first result p50", func(f *figures) string { return duration(f.FirstP50) }},
	{"p50", func(f *figures) string { return duration(f.P50) }},
	{"p95", func(f *figures) string { return duration(f.P95) }},
	{"p99", func(f *figures) string { return duration(f.P99) }},
	{"p99.9", func(f *figures) string { return duration(f.P999) }},
	{"CPU a request", func(f *figures) string { return duration(f.CPU) }},
	{"allowed", func(f *figures) string { return percent(f.Allowed) }},
	{"refused", func(f *figures) string { return count(float64(f.Refused)) }},
}

// itemRate is 0 where an item is a request.
func (f *figures) itemRate() float64 {
	if f.Items == f.PerSecond {
		return 0
	}
	return f.Items
}

func count(n float64) string {
	if n == 0 {
		return ""
	}
	if n < 10 {
		return fmt.Sprintf("%.2g", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// duration writes microseconds.
func duration(us float64) string {
	switch {
	case us == 0:
		return ""
	case us >= 59_900_000: // the histograms hold no more
		return "a minute or more"
	case us < 10_000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 10_000_000:
		return fmt.Sprintf("%.1f ms", us/1000)
	}
	return fmt.Sprintf("%.1f s", us/1e6)
}

func percent(share float64) string {
	if share == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// cells are a figure's texts for all columns; nil if all are empty.
func (r *row) cells(text func(*figures) string) []string {
	cells, any := make([]string, len(systemNames)), false
	for i, name := range systemNames {
		if f := r.Systems[name]; f != nil {
			cells[i] = text(f)
			any = any || cells[i] != ""
		}
	}
	if !any {
		return nil
	}
	return cells
}

// print writes the tables.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	header := func(title string) { fmt.Fprintf(w, "%s\t%s\t\n", title, strings.Join(systemNames, "\t")) }
	header("import")
	line := func(name string, cells []string) { fmt.Fprintf(w, "%s\t%s\t\n", name, strings.Join(cells, "\t")) }
	line("tuples/s", r.imported())
	for i := range r.Rows {
		header(r.Rows[i].point.String())
		r.Rows[i].each(line)
	}
	for i := range r.Sweeps {
		for k := range r.Sweeps[i].Rows {
			header(r.Sweeps[i].title(k))
			r.Sweeps[i].Rows[k].each(line)
		}
	}
	return w.Flush()
}

// imported are the rates of the imports, for all columns.
func (r *report) imported() []string {
	cells := make([]string, len(systemNames))
	for i, name := range systemNames {
		if s := r.Systems[name]; s != nil {
			cells[i] = count(s.PerSecond)
		}
	}
	return cells
}

// each calls line for each figure that some system has, and each
// system that failed.
func (r *row) each(line func(name string, cells []string)) {
	for _, f := range figureRows {
		if cells := r.cells(f.text); cells != nil {
			line(f.name, cells)
		}
	}
	for i, name := range systemNames {
		if reason := r.Failed[name]; reason != "" {
			cells := make([]string, len(systemNames))
			cells[i] = reason
			line("failed", cells)
		}
	}
}

// write writes the report to files: JSON, Markdown (appended) and HTML, whichever
// has a name.
func (r *report) write(jsonFile, markdownFile, htmlFile string) error {
	if jsonFile != "" {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonFile, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if markdownFile != "" {
		if err := r.appendMarkdown(markdownFile); err != nil {
			return err
		}
	}
	if htmlFile == "" {
		return nil
	}
	f, err := os.Create(htmlFile)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.html(f); err != nil {
		return err
	}
	return f.Close()
}
