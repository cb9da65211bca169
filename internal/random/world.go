package random

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

func compareText(a, b string) int { return strings.Compare(a, b) }

// Begin is the first second of random worlds: expiries and questions lie
// within the ten seconds after it.
var Begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

const second = int64(time.Second)

var (
	ids       = []string{"a", "b:1", "c@x.org", "[d]"}
	unheardOf = []string{"nobody", "no-one"} // in no tuple
)

// Objects returns the objects of a type that random tuples speak of.
func Objects(typ string) []tuple.Object {
	var out []tuple.Object
	for _, id := range ids {
		out = append(out, tuple.Object{Type: typ, ID: id})
	}
	return out
}

// Tuples makes up to n tuples for s with distinct keys. If they may be odd, a
// few are not allowed by the schema or have a context of the wrong type.
func Tuples(r *rand.Rand, s *graph.Schema, n int, odd bool) []tuple.Tuple {
	seen := map[tuple.Key]bool{}
	var out []tuple.Tuple
	for range n {
		t, ok := oneTuple(r, s, odd)
		if ok && !seen[t.Key()] {
			seen[t.Key()] = true
			out = append(out, t)
		}
	}
	return out
}

func oneTuple(r *rand.Rand, s *graph.Schema, odd bool) (tuple.Tuple, bool) {
	d := pick(r, s.Definitions)
	if len(d.Relations) == 0 {
		return tuple.Tuple{}, false
	}
	rel := pick(r, d.Relations)
	if len(rel.Types) == 0 {
		return tuple.Tuple{}, false
	}
	k := pick(r, rel.Types)
	if odd && r.IntN(100) < 8 { // traits that the schema may not allow
		k.Expiration = r.IntN(2) == 0
		if k.Caveat = ""; len(s.Caveats) > 0 && r.IntN(2) == 0 {
			k.Caveat = pick(r, s.Caveats).Name
		}
	}
	t := tuple.Tuple{Object: pick(r, Objects(d.Name)), Relation: rel.Name}
	t.Subject = tuple.Subject{Type: k.Type, ID: pick(r, ids), Relation: k.Relation}
	if k.Wildcard {
		t.Subject.ID = tuple.Wildcard
	}
	if k.Caveat != "" {
		t.Caveat = k.Caveat
		t.Context = storedContext(r, s, k.Caveat, odd)
	}
	if k.Expiration {
		t.Expires = Begin + r.Int64N(10)*second
	}
	return t, true
}

// storedContext gives some of a caveat's parameters.
func storedContext(r *rand.Rand, s *graph.Schema, caveat string, odd bool) string {
	wrong := map[bool]int{true: 1}[odd]
	i := slices.IndexFunc(s.Caveats, func(c *graph.Caveat) bool { return c.Name == caveat })
	var parts []string
	for _, p := range s.Caveats[i].Params {
		if r.IntN(100) < 40 {
			parts = append(parts, fmt.Sprintf("%q:%s", p.Name, literal(r, p, wrong)))
		}
	}
	text, err := tuple.CanonicalContext([]byte("{" + strings.Join(parts, ",") + "}"))
	if err != nil {
		panic(err)
	}
	return text
}

// literal returns a value for p in JSON, of the wrong type now and then.
func literal(r *rand.Rand, p graph.Param, wrong int) string {
	typ := p.Type.String()
	if r.IntN(100) < wrong {
		return map[bool]string{true: `"wrong"`, false: "7"}[typ == "int"]
	}
	switch typ {
	case "int":
		return fmt.Sprint(r.IntN(4))
	case "string":
		return fmt.Sprintf("%q", pick(r, []string{"eu", "us"}))
	case "list<string>":
		return pick(r, []string{`["eu"]`, `["us","eu"]`, `[]`})
	case "map<string>":
		return pick(r, []string{`{"eu":"yes"}`, `{"eu":"no","us":"yes"}`, `{"eu":"yes","us":"yes"}`})
	}
	panic("no values of " + typ)
}

// Context makes what a question says about caveats: complete, partial, or of
// the wrong type in places.
func Context(r *rand.Rand, s *graph.Schema) map[string]any {
	share, wrong := pick(r, []int{0, 30, 60, 90, 100}), 0
	if r.IntN(100) < 25 {
		wrong = 25
	}
	var parts []string
	for _, c := range s.Caveats {
		for _, p := range c.Params {
			if r.IntN(100) < share {
				parts = append(parts, fmt.Sprintf("%q:%s", p.Name, literal(r, p, wrong)))
			}
		}
	}
	m, err := tuple.DecodeContext([]byte("{" + strings.Join(parts, ",") + "}"))
	if err != nil {
		panic(err)
	}
	return m
}

// Time makes an instant to ask at, often the very instant of an expiry or the
// nanosecond before.
func Time(r *rand.Rand) int64 {
	return Begin + r.Int64N(10)*second - pick(r, []int64{0, 1, second / 2})
}

// Subject makes somebody to ask about: a plain subject or a userset.
func Subject(r *rand.Rand, s *graph.Schema) tuple.Subject {
	d := s.Definitions[0]
	if r.IntN(100) < 30 {
		d = pick(r, s.Definitions)
	}
	sub := tuple.Subject{Type: d.Name, ID: pick(r, ids)}
	if len(d.Relations) > 0 && r.IntN(100) < 50 {
		sub.Relation = pick(r, d.Relations).Name
	}
	if r.IntN(100) < 6 {
		sub.ID = pick(r, unheardOf)
	}
	return sub
}

// Asker makes everything of a question but the permission. The object is one
// that no tuple names; the others are found in the tuples.
func Asker(r *rand.Rand, s *graph.Schema) graph.Question {
	q := graph.Question{Subjects: []tuple.Subject{Subject(r, s)}, Context: Context(r, s), Now: Time(r)}
	q.Object = tuple.Object{Type: pick(r, s.Definitions).Name, ID: pick(r, unheardOf)}
	if r.IntN(100) < 35 { // a caller and what it is besides, up to more than have room side by side
		for range 1 + r.IntN(1+r.IntN(8)) {
			q.Subjects = append(q.Subjects, Subject(r, s))
		}
	}
	if r.IntN(100) < 25 {
		q.Contextual = Tuples(r, s, 4, false)
	}
	return q
}
