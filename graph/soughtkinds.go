package graph

import "github.com/pemba-authz/pemba/store"

// numberKinds numbers the kinds of subjects that tuples name: those of a type,
// their wildcard, the usersets of a relation. Searches look for a subject only in
// the rows of its kind: a system group has tuples of nearly every relation, which
// says nothing about those of users.
func (g *Graph) numberKinds() {
	for i := range g.types {
		g.types[i].kind, g.types[i].everyone = -1, -1
	}
	for p := range g.programs {
		g.programs[p].kind = -1
	}
	n := 0
	numbers := make(map[store.ShapeID]*int, len(g.shapes))
	kinds := make(map[store.ShapeID]int, len(g.shapes))
	for i := range g.shapes {
		sh := &g.shapes[i]
		kind := &g.types[sh.typ].kind
		switch sh.form {
		case wildcard:
			kind = &g.types[sh.typ].everyone
		case userset:
			kind = &g.programs[sh.program].kind
		}
		if *kind < 0 {
			*kind = n
			n++
		}
		kinds[sh.id], numbers[sh.id] = *kind, kind
	}
	g.subjectKinds = store.NewKinds(kinds)
	for id, kind := range numbers { // several may share one, all of them if the shapes' ids lie far apart
		*kind = g.subjectKinds.Of(id)
	}
}

// seekSubjects makes the subjects what is sought, unless they are.
func (w *walk) seekSubjects() {
	if w.seeking {
		return
	}
	w.seeking = true
	for i := range w.subjects {
		s := &w.subjects[i]
		t := &w.g.types[s.Type]
		if t.kind >= 0 && s.Node != 0 && !isLocal(s.Node) {
			w.sought.Add(t.kind, s.Node, w.view.SubjectMask(s.Node))
		}
		if s.everyone != 0 && !isLocal(s.everyone) {
			w.sought.Add(t.everyone, s.everyone, w.view.SubjectMask(s.everyone))
		}
	}
}
