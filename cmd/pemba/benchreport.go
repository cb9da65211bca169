package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/pemba-authz/pemba/bench"
)

// printReport prints report as a table or as JSON, and writes it to --out.
func (a *app) printReport(o *benchOptions, report *bench.Report) error {
	if o.out != "" {
		data, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.out, append(data, '\n'), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", o.out, rootCause(err))
		}
	}
	if a.json {
		return printJSON(a.out, report)
	}
	if len(report.Series) == 0 {
		return nil
	}
	if err := printSeries(a.out, report.Series); err != nil {
		return err
	}
	for i := range report.Series {
		if note := seriesNote(&report.Series[i], report.Rate); note != "" {
			fmt.Fprintln(a.out, note)
		}
	}
	return nil
}

// printSeries prints one row for each series and, below a mixed one, for each of
// its operations.
func printSeries(out io.Writer, all []bench.Series) error {
	lists, ratios := false, false
	for _, s := range all {
		for _, part := range append([]bench.Series{s}, s.Parts...) {
			lists = lists || part.Rounds[0].First != nil
		}
		ratios = ratios || s.Against != ""
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	header := "operation\tcallers\trequests/s\titems/s\tp50\tp90\tp99\tp99.9\tmax\tallowed\t"
	if lists {
		header += "first p50\tfirst p99\t"
	}
	if ratios {
		header += "ratio\tp99 ratio\t"
	}
	fmt.Fprintln(w, header)
	for i := range all {
		printOne(w, &all[i], "", lists, ratios)
		for k := range all[i].Parts {
			printOne(w, &all[i].Parts[k], "of it ", lists, ratios)
		}
	}
	return w.Flush()
}

func printOne(w io.Writer, s *bench.Series, prefix string, lists, ratios bool) {
	allowed := ""
	if s.AllowedShare > 0 {
		allowed = fmt.Sprintf("%.0f %%", 100*s.AllowedShare)
	}
	fmt.Fprintf(w, "%s%s\t%d\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t", prefix, s.Op, s.Callers, s.PerSecond, s.ItemsPerSecond,
		timeText(s.P50), timeText(s.P90), timeText(s.P99), timeText(s.P999), timeText(s.Max), allowed)
	switch {
	case lists && s.Rounds[0].First != nil:
		fmt.Fprintf(w, "%s\t%s\t", timeText(s.FirstP50), timeText(s.FirstP99))
	case lists:
		fmt.Fprint(w, "\t\t")
	}
	switch {
	case ratios && s.Against != "":
		fmt.Fprintf(w, "%.2f\t%.2f\t", s.Ratio, s.P99Ratio)
	case ratios:
		fmt.Fprint(w, "\t\t")
	}
	fmt.Fprintln(w)
}

// timeText writes a number of microseconds.
func timeText(us float64) string {
	if us < 10_000 {
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.1f ms", us/1000)
}

// seriesNote says in a line what the numbers of s do not.
func seriesNote(s *bench.Series, rate float64) string {
	var notes []string
	if s.Behind {
		note := fmt.Sprintf("THE OFFERED RATE OF %g/s WAS NOT REACHED: %.0f/s were answered", rate, s.PerSecond)
		if s.Unsent > 0 {
			note += fmt.Sprintf(", %d requests were due and not begun", s.Unsent)
		}
		notes = append(notes, note)
	}
	if s.Refused > 0 {
		notes = append(notes, fmt.Sprintf("%d requests were refused for want of room", s.Refused))
	}
	if s.Verified > 0 {
		notes = append(notes, fmt.Sprintf("%d answers verified", s.Verified))
	}
	if len(notes) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, %d callers: %s", s.Op, s.Callers, strings.Join(notes, "; "))
}
