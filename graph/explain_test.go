package graph

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestExplain_Texts runs testdata/explain: "schema" and "write" make a world,
// "explain" and "expand" write what people read. -rewrite regenerates.
func TestExplain_Texts(t *testing.T) {
	datadriven.Walk(t, "testdata/explain", func(t *testing.T, path string) {
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "schema":
				w = newWorld(t, d.Input, "")
			case "write":
				w.write(d.Input)
			case "explain":
				depth := 0
				d.MaybeScanArgs(t, "depth", &depth)
				return w.explainText(d.Input, depth)
			case "expand":
				depth := -1
				d.MaybeScanArgs(t, "depth", &depth)
				return w.expandText(d.Input, depth)
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			return ""
		})
	})
}

// explainText explains a question within a limit of depth; lines that begin
// with "contextual" give tuples to it.
func (w *world) explainText(input string, depth int) string {
	q := &Question{}
	var given strings.Builder
	for _, line := range lines(input) {
		if text, ok := strings.CutPrefix(line, "contextual "); ok {
			fmt.Fprintln(&given, text)
			continue
		}
		q = w.question(line)
	}
	q.Contextual, q.Limits.Depth = parseTuples(w.t, given.String()), depth
	e, err := w.graph.Explain(context.Background(), w.view(), q)
	if e == nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	var b strings.Builder
	if err := e.WriteText(&b); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

func (w *world) expandText(input string, depth int) string {
	name, relation, _ := strings.Cut(strings.TrimSpace(input), "#")
	q := w.question(name + "#" + relation + "@user:nobody")
	tree, cost, err := w.graph.Expand(context.Background(), w.view(), &ExpandQuestion{
		Object: q.Object, Permission: q.Permission, Context: q.Context, Now: w.now, Depth: depth,
	})
	if err != nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	var b strings.Builder
	if err := tree.WriteText(&b); err != nil {
		w.t.Fatal(err)
	}
	return b.String() + fmt.Sprintf("steps=%d reads=%d\n", cost.Steps, cost.Reads)
}
