package oracle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// kase is one question with all that its answer depends on.
type kase struct {
	schema   *graph.Schema
	tuples   []tuple.Tuple
	question graph.Question
}

// fails asks walk and oracle and says how they differ.
func (c kase) fails(t testing.TB) string {
	if _, err := graph.Validate(c.schema); err != nil {
		return ""
	}
	s := store.New(store.Options{})
	g, err := graph.Compile(c.schema, s.Symbols())
	if err != nil {
		return ""
	}
	w, err := NewWorld(c.schema, c.tuples)
	if err != nil {
		return ""
	}
	write := store.Command{Kind: store.KindWrite, Tenant: tenant}
	for _, tp := range c.tuples {
		write.Updates = append(write.Updates, store.Update{Op: store.OpTouch, Tuple: tp})
	}
	e := store.Entry{Commands: []store.Command{{Kind: store.KindInit, ClusterID: "c", Tenant: tenant}, write}}
	s.Apply(1, e.Append(nil))
	got := ask(t, g, s, 1, c.question)
	if strings.Contains(got.Err, "not in the schema") {
		return "" // the reduction cut off what is asked
	}
	return disagreement(c.schema, Solve(w, &c.question), &c.question, got)
}

// reduce makes c smaller as long as it fails, and returns it as a scenario.
func reduce(t testing.TB, c kase) string {
	if c.fails(t) == "" {
		return "(it does not fail on a store of its own)\n" + c.scenario("?")
	}
	why := class(c.fails(t))
	for smaller := true; smaller; {
		smaller = false
		for _, next := range c.steps() {
			if class(next.fails(t)) == why {
				c, smaller = next, true
				break
			}
		}
	}
	return c.scenario(c.fails(t))
}

// class is a failure without what changes while it is reduced.
func class(why string) string {
	for _, cut := range []string{" [", "\""} {
		why, _, _ = strings.Cut(why, cut)
	}
	return why
}

// steps returns all ways to make c a little smaller.
func (c kase) steps() []kase {
	var out []kase
	for i := range c.tuples {
		d := c
		d.tuples = slices.Delete(slices.Clone(c.tuples), i, i+1)
		out = append(out, d)
	}
	for i := range c.question.Contextual {
		d := c
		d.question.Contextual = slices.Delete(slices.Clone(c.question.Contextual), i, i+1)
		out = append(out, d)
	}
	for i := range c.question.Subjects {
		d := c
		d.question.Subjects = slices.Delete(slices.Clone(c.question.Subjects), i, i+1)
		if len(d.question.Subjects) > 0 {
			out = append(out, d)
		}
	}
	for _, s := range smallerSchemas(c.schema) {
		d := c
		d.schema = s
		out = append(out, d)
	}
	return out
}

// smallerSchemas leaves out definitions, members, kinds of subjects and
// caveats, and puts parts of rewrites in place of the whole. What is not valid
// any more does not fail and is passed over.
func smallerSchemas(s *graph.Schema) []*graph.Schema {
	var out []*graph.Schema
	for i, d := range s.Definitions {
		out = append(out, withDefinition(s, i, nil))
		for j, r := range d.Relations {
			out = append(out, withRelation(s, i, j, nil))
			for k := range r.Types {
				n := *r
				n.Types = slices.Delete(slices.Clone(r.Types), k, k+1)
				out = append(out, withRelation(s, i, j, &n))
			}
			for _, e := range smallerExprs(r.Rewrite) {
				n := *r
				n.Rewrite = e
				out = append(out, withRelation(s, i, j, &n))
			}
		}
	}
	for i := range s.Caveats {
		n := *s
		n.Caveats = slices.Delete(slices.Clone(s.Caveats), i, i+1)
		out = append(out, &n)
	}
	return out
}

func withDefinition(s *graph.Schema, i int, d *graph.Definition) *graph.Schema {
	n := *s
	n.Order = nil
	n.Definitions = slices.Clone(s.Definitions)
	if d == nil {
		n.Definitions = slices.Delete(n.Definitions, i, i+1)
	} else {
		n.Definitions[i] = d
	}
	return &n
}

func withRelation(s *graph.Schema, i, j int, r *graph.Relation) *graph.Schema {
	d := *s.Definitions[i]
	d.Relations = slices.Clone(d.Relations)
	if r == nil {
		d.Relations = slices.Delete(d.Relations, j, j+1)
	} else {
		d.Relations[j] = r
	}
	return withDefinition(s, i, &d)
}

func smallerExprs(e graph.Expr) []graph.Expr {
	switch e := e.(type) {
	case *graph.Union:
		return append(slices.Clone(e.Children), smallerChildren(e.Children, func(c []graph.Expr) graph.Expr { return &graph.Union{Children: c} })...)
	case *graph.Intersection:
		return append(slices.Clone(e.Children), smallerChildren(e.Children, func(c []graph.Expr) graph.Expr { return &graph.Intersection{Children: c} })...)
	case *graph.Exclusion:
		out := []graph.Expr{e.Base, e.Minus}
		for _, b := range smallerExprs(e.Base) {
			out = append(out, &graph.Exclusion{Base: b, Minus: e.Minus})
		}
		for _, m := range smallerExprs(e.Minus) {
			out = append(out, &graph.Exclusion{Base: e.Base, Minus: m})
		}
		return out
	case *graph.Arrow:
		if e.All {
			return []graph.Expr{&graph.Arrow{Tupleset: e.Tupleset, Target: e.Target}, &graph.Nil{}}
		}
		return []graph.Expr{&graph.Nil{}}
	case *graph.Ref, *graph.Self:
		return []graph.Expr{&graph.Nil{}}
	}
	return nil
}

func smallerChildren(children []graph.Expr, with func([]graph.Expr) graph.Expr) []graph.Expr {
	var out []graph.Expr
	for i, c := range children {
		if len(children) > 2 {
			out = append(out, with(slices.Delete(slices.Clone(children), i, i+1)))
		}
		for _, s := range smallerExprs(c) {
			n := slices.Clone(children)
			n[i] = s
			out = append(out, with(n))
		}
	}
	return out
}

// scenario writes c as a file for internal/scenario, whose -rewrite fills in
// the outputs.
func (c kase) scenario(why string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nschema\n%s----\n\nwrite\n", why, graph.Print(c.schema))
	for _, t := range c.tuples {
		fmt.Fprintln(&b, t)
	}
	q := c.question
	fmt.Fprintf(&b, "----\n\ntime %s\n----\n\ncheck\n", tuple.FormatTime(q.Now))
	for _, t := range q.Contextual {
		fmt.Fprintf(&b, "contextual %s\n", t)
	}
	fmt.Fprintf(&b, "%s#%s@", q.Object, q.Permission)
	for i, s := range q.Subjects {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s.String())
	}
	if len(q.Context) > 0 {
		data, _ := json.Marshal(q.Context)
		fmt.Fprintf(&b, " %s", data)
	}
	b.WriteString("\n----\n")
	return b.String()
}
