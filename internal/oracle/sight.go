package oracle

import (
	"maps"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// World is everything that an answer depends on but the question.
type World struct {
	Schema  *graph.Schema
	Caveats map[string]*graph.CompiledCaveat
	Tuples  []tuple.Tuple
}

// NewWorld compiles the caveats of a valid schema.
func NewWorld(s *graph.Schema, tuples []tuple.Tuple) (*World, error) {
	w := &World{Schema: s, Caveats: map[string]*graph.CompiledCaveat{}, Tuples: tuples}
	for _, c := range s.Caveats {
		compiled, err := graph.CompileCaveat(c)
		if err != nil {
			return nil, err
		}
		w.Caveats[c.Name] = compiled
	}
	return w, nil
}

// sight is a world as one question sees it.
type sight struct {
	relations map[string]map[string]*graph.Relation // by type and name
	atoms     []Atom
	facts     map[Atom][]fact
	subjects  map[tuple.Subject]bool
	types     map[string]bool // of the plain subjects
	table     Table           // as of the last narrowing
	admitted  map[kind]bool   // what can reach the subjects by its types
}

// fact is a tuple that the question may see.
type fact struct {
	subject tuple.Subject
	value   Value // of its caveat
}

func see(w *World, q *graph.Question) *sight {
	s := &sight{relations: map[string]map[string]*graph.Relation{}, facts: map[Atom][]fact{},
		subjects: map[tuple.Subject]bool{}, types: map[string]bool{}}
	for _, d := range w.Schema.Definitions {
		s.relations[d.Name] = map[string]*graph.Relation{}
		for _, r := range d.Relations {
			s.relations[d.Name][r.Name] = r
		}
	}
	tuples := w.visible(q)
	for o := range named(q, tuples) {
		for name := range s.relations[o.Type] {
			s.atoms = append(s.atoms, Atom{o, name})
		}
	}
	for _, sub := range q.Subjects {
		s.subjects[sub] = true
		s.types[sub.Type] = s.types[sub.Type] || sub.Relation == ""
	}
	for _, t := range tuples {
		if r := s.relations[t.Object.Type][t.Relation]; r != nil && allows(r, t) {
			a := Atom{t.Object, t.Relation}
			s.facts[a] = append(s.facts[a], fact{t.Subject, w.worth(q, t)})
		}
	}
	return s
}

// visible returns what has not expired; contextual tuples replace stored ones.
func (w *World) visible(q *graph.Question) []tuple.Tuple {
	all := map[tuple.Key]tuple.Tuple{}
	for _, t := range append(append([]tuple.Tuple(nil), w.Tuples...), q.Contextual...) {
		all[t.Key()] = t
	}
	var out []tuple.Tuple
	for t := range maps.Values(all) {
		if t.Expires == 0 || q.Now < t.Expires {
			out = append(out, t)
		}
	}
	return out
}

func named(q *graph.Question, tuples []tuple.Tuple) map[tuple.Object]bool {
	objects := map[tuple.Object]bool{q.Object: true}
	for _, s := range q.Subjects {
		objects[s.Object()] = true
	}
	for _, t := range tuples {
		objects[t.Object] = true
		objects[t.Subject.Object()] = true
	}
	return objects
}

// allows reports whether r accepts t: its kind of subject, caveat and expiry.
func allows(r *graph.Relation, t tuple.Tuple) bool {
	for _, k := range r.Types {
		if k.Type == t.Subject.Type && k.Relation == t.Subject.Relation && k.Wildcard == t.Subject.IsWildcard() &&
			k.Caveat == t.Caveat && k.Expiration == (t.Expires != 0) {
			return true
		}
	}
	return false
}

// worth evaluates t's caveat. What is stored wins over what the question says.
func (w *World) worth(q *graph.Question, t tuple.Tuple) Value {
	if t.Caveat == "" {
		return Allowed
	}
	args := map[string]any{}
	maps.Copy(args, q.Context)
	if t.Context != "" {
		stored, err := tuple.DecodeContext([]byte(t.Context))
		if err != nil {
			return Failed
		}
		maps.Copy(args, stored)
	}
	holds, missing, err := w.Caveats[t.Caveat].Eval(args)
	switch {
	case err != nil:
		return Failed
	case len(missing) > 0:
		return Conditional
	case holds:
		return Allowed
	}
	return Denied
}

// Subjects returns the plain subjects of a type, among all that w or q names,
// that have q's permission on q's object, by solving for each of them.
func Subjects(w *World, q graph.Question, typ string) map[tuple.Subject]Value {
	out := map[tuple.Subject]Value{}
	for o := range named(&q, append(w.visible(&q), q.Contextual...)) {
		if o.Type != typ || o.ID == tuple.Wildcard {
			continue
		}
		q.Subjects = []tuple.Subject{{Type: o.Type, ID: o.ID}}
		if v := Solve(w, &q)[Atom{q.Object, q.Permission}].Value(); v != Denied {
			out[q.Subjects[0]] = v
		}
	}
	return out
}
