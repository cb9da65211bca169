package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// appendMarkdown appends the report to a file, so that one can hold several runs.
func (r *report) appendMarkdown(file string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(r.markdown(f), f.Close())
}

// markdown writes the report as a section: how it was measured, then a table.
func (r *report) markdown(out io.Writer) error {
	var b strings.Builder
	p := r.Population
	fmt.Fprintf(&b, "\n## %s, %d tuples", p.Workload, p.Tuples)
	if r.Note != "" {
		b.WriteString(": " + r.Note)
	}
	b.WriteString("\n\n")
	fmt.Fprintf(&b, "- %s, %d processors (%s), %d MB, %s\n", r.Time.Format("2006-01-02 15:04 MST"), r.Machine.CPUs, r.Machine.CPU, r.Machine.MemoryMB, r.Machine.Go)
	fmt.Fprintf(&b, "- load averages before: %s; ", orUnknown(r.LoadBefore))
	if r.Others >= 0 {
		fmt.Fprintf(&b, "during the run, others used %.0f %% of the processors' time\n", 100*r.Others)
	} else {
		b.WriteString("what others used during the run is not known\n")
	}
	fmt.Fprintf(&b, "- seed %d, %d rounds of %g s each, systems in turn, consistency %s, %d connections\n", p.Seed, r.Rounds, r.Seconds, r.Consistency, r.Connections)
	if r.Commit != "unknown" {
		fmt.Fprintf(&b, "- commit %s\n", r.Commit)
	}
	fmt.Fprintf(&b, "- `%s`\n", r.Command)
	for _, name := range systemNames {
		if s := r.Systems[name]; s != nil {
			fmt.Fprintf(&b, "- %s: %s\n", name, s)
		}
	}
	fmt.Fprintf(&b, "- %d questions and lists were answered alike by all that took part, and the sampled answers under load as the reference says\n\n", r.Agreed)
	r.markdownTable(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *report) markdownTable(b *strings.Builder) {
	fmt.Fprintf(b, "| | %s |\n|---|%s\n", strings.Join(systemNames, " | "), strings.Repeat("---:|", len(systemNames)))
	plain := strings.NewReplacer("|", "/", "\n", " ")
	line := func(name string, cells []string) {
		fmt.Fprintf(b, "| %s |", name)
		for _, cell := range cells {
			fmt.Fprintf(b, " %s |", plain.Replace(cell))
		}
		b.WriteString("\n")
	}
	title := func(text string) { line("**"+text+"**", make([]string, len(systemNames))) }
	title("import")
	line("tuples/s", r.imported())
	for i := range r.Rows {
		title(r.Rows[i].point.String())
		r.Rows[i].each(line)
	}
	for i := range r.Sweeps {
		for k := range r.Sweeps[i].Rows {
			title(r.Sweeps[i].title(k))
			r.Sweeps[i].Rows[k].each(line)
		}
	}
}

func orUnknown(text string) string {
	if text == "" {
		return "not known"
	}
	return text
}
