package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// bounds say by how much a figure may grow, by its unit: a share of what it was
// and an amount. The first whose prefix the unit has counts.
var bounds = []struct {
	unit          string
	share, amount float64
}{
	{"allocs", 0.01, 0.1},
	{"bytes", 0.02, 8},
	{"reads", 0.01, 0.005},
	{"steps", 0.01, 0.005},
	{"allowed", 0, 0.0001}, // not a cost: other answers are worse than any
	{"instructions", 0.03, 20},
}

// change is a figure of both trees.
type change struct {
	name     string
	was, is  float64
	had, has bool // whether either tree has it
	worse    bool
}

// compare pairs figures by name, in their order.
func compare(before, after figures) []change {
	names := make(map[string]bool)
	for _, f := range []figures{before, after} {
		for name := range f {
			names[name] = true
		}
	}
	var all []change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c := change{name: name}
		c.was, c.had = before[name]
		c.is, c.has = after[name]
		c.worse = c.had && (!c.has || c.is > c.most())
		if strings.Contains(name, " allowed") {
			c.worse = c.worse || c.had && c.was > c.is+0.0001
		}
		all = append(all, c)
	}
	return all
}

// most is what the figure may be now.
func (c *change) most() float64 {
	_, unit, _ := strings.Cut(c.name, " ")
	for _, b := range bounds {
		if strings.HasPrefix(unit, b.unit) {
			return c.was*(1+b.share) + b.amount
		}
	}
	return c.was * 1.02
}

// printChanges prints a table and returns how many figures are worse.
func printChanges(out io.Writer, ref string, changes []change) (worse int) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "figure\t%s\tworking tree\tchange\tat most\t\t\n", ref)
	cell := func(n float64, there bool) string {
		if !there {
			return ""
		}
		if n >= 1000 {
			return fmt.Sprintf("%.0f", n)
		}
		return fmt.Sprintf("%.4g", n)
	}
	for i := range changes {
		c := &changes[i]
		difference, note := "", ""
		if c.had && c.has && c.was != 0 {
			difference = fmt.Sprintf("%+.1f %%", 100*(c.is/c.was-1))
		}
		if c.worse {
			note = "WORSE"
			worse++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", c.name, cell(c.was, c.had), cell(c.is, c.has), difference, cell(c.most(), c.had), note)
	}
	w.Flush()
	if worse > 0 {
		fmt.Fprintf(out, "%d figures are worse than at %s\n", worse, ref)
	}
	return worse
}
