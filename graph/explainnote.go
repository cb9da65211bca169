package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// Notes of steps that are not explained.
const (
	noteSpent = "left out: the reads that the limits allow are used up"
	noteFull  = "left out: the explanation is long enough"
	noteShown = "explained above"
	noteCycle = "a cycle: it is being explained above and adds nothing here"
)

// unreachable says that by the schema nothing leads from s to the subjects.
func (x *explainer) unreachable(s *Step) *Step {
	var kinds []string
	for _, sub := range x.subjects {
		kind := sub.Type
		if sub.Relation != "" && sub.Relation != tuple.Plain {
			kind += "#" + sub.Relation
		}
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	s.Kind, s.Outcome = StepSkipped, OutcomeSkipped
	s.Note = "by the schema it never leads to " + strings.Join(slices.Compact(kinds), " or ")
	return s
}

// unproved says that the way that allows a is not shown. Only limits excuse it.
func (x *explainer) unproved(s *Step, a atom) {
	s.Note = "left out: the way that allows it is too long to search for"
	if x.err == nil && !x.isPartial() && x.proof.tries < mostTries {
		x.err = fmt.Errorf("%s is allowed, but not by its parts", x.w.nameOf(a))
	}
}

// absent says which tuples of a that would matter there are none of.
func (x *explainer) absent(a atom, c *chooser) string {
	const most = 5 // subjects by name
	var names []string
	w := x.w
	shapes := w.g.programs[a.program].shapes
	for i := shapes.from; i < shapes.to; i++ {
		sh := &w.g.shapes[i]
		typ := w.g.types[sh.typ].name
		switch {
		case sh.form != plain && slices.Contains(c.shapes, i) || !w.leadsTo(sh):
		case sh.form == wildcard:
			names = append(names, typ+":"+tuple.Wildcard)
		case sh.form == userset:
			names = append(names, "a "+typ+"#"+w.g.programs[sh.program].name)
		case len(x.subjects) > most:
			names = append(names, "any of the "+thousands(len(x.subjects))+" subjects")
		default:
			names = append(names, x.unnamed(typ, c.named)...)
		}
	}
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return "no tuple names " + names[0]
	default:
		return "no tuple names " + strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
}

// unnamed returns the subjects of a type that are not among those named.
func (x *explainer) unnamed(typ string, named []store.Node) []string {
	var names []string
	for _, s := range x.subjects {
		if s.Type != typ || s.Relation != "" && s.Relation != tuple.Plain {
			continue
		}
		isNamed := slices.ContainsFunc(named, func(n store.Node) bool { return x.w.object(n) == s.Object() })
		if name := s.Object().String(); !isNamed && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// leadsTo reports whether tuples of a shape can grant a subject.
func (w *walk) leadsTo(sh *shape) bool {
	if sh.form == userset {
		return w.leads(sh.program)
	}
	return slices.ContainsFunc(w.subjects, func(s ResolvedSubject) bool { return s.Program < 0 && s.Type == sh.typ })
}

// restOf says how many tuples are left out, by their outcomes.
func restOf(counts []int) string {
	var parts []string
	for o, n := range counts {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %v", thousands(n), Outcome(o)))
		}
	}
	return "and more tuples: " + strings.Join(parts, ", ")
}

// mostValue bounds an argument of a caveat that is told of, in bytes.
const mostValue = 1024

// caveat tells of the evaluation of a tuple's caveat.
func (x *explainer) caveat(sh *shape, t *tuple.Tuple, f *sight) *CaveatUse {
	c := sh.caveatOf(t)
	var s Step
	x.judge(&s, exactly(f.value))
	args := map[string]any{}
	stored, _ := tuple.DecodeContext([]byte(t.Context)) // what is stored has been read once
	for _, from := range []map[string]any{x.w.context, stored} {
		for name, v := range from {
			if _, ok := c.params[name]; ok {
				args[name] = v
			}
		}
	}
	for name, v := range args {
		if n := len(canonical(v)); n > mostValue {
			args[name] = "(" + thousands(n) + " bytes)"
		}
	}
	return &CaveatUse{Name: t.Caveat, Expression: clip(c.caveat.Body), Context: canonical(args),
		Outcome: s.Outcome, Missing: s.Missing, Err: s.Err}
}

// canonical writes a JSON value with sorted keys and without blanks.
func canonical(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return strconv.Quote(err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// thousands writes n as 12,345.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
