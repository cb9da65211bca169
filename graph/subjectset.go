package graph

import (
	"sync/atomic"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// SubjectSet is what the subjects of many questions are besides, such as groups that
// everybody is in: their names are looked up once and not for each question. It is safe
// for concurrent use.
type SubjectSet struct {
	subjects []tuple.Subject
	known    atomic.Pointer[knownSubjects]
}

// knownSubjects are subjects by their ids, which belong to a graph and a generation.
type knownSubjects struct {
	graph, generation uint64

	resolved []ResolvedSubject
	open     bool // some are nobody: no tuple names them, or there is no wildcard of their type
	// Then this holds at views whose newest tuple version is this one or one before it.
	upTo atomic.Uint32
}

// NewSubjectSet returns the set of some subjects, which it keeps: do not modify.
func NewSubjectSet(subjects ...tuple.Subject) *SubjectSet { return &SubjectSet{subjects: subjects} }

// Subjects returns the subjects; none, if s is nil. Do not modify.
func (s *SubjectSet) Subjects() []tuple.Subject {
	if s == nil {
		return nil
	}
	return s.subjects
}

// at returns the subjects by their ids. It reports false if the schema does not know all
// of their types and relations, or one cannot be a subject.
func (s *SubjectSet) at(g *Graph, v *store.View) ([]ResolvedSubject, bool) {
	k := s.known.Load()
	if k == nil || k.graph != g.id || k.generation != v.Generation() {
		return s.find(g, v)
	}
	if !k.open || v.Newest() <= k.upTo.Load() {
		return k.resolved, true
	}
	if !s.stillHolds(k, g, v) {
		return s.find(g, v)
	}
	for newest := v.Newest(); ; {
		old := k.upTo.Load()
		if old >= newest || k.upTo.CompareAndSwap(old, newest) {
			return k.resolved, true
		}
	}
}

// stillHolds reports whether those who were nobody still are. The others' nodes stay.
func (s *SubjectSet) stillHolds(k *knownSubjects, g *Graph, v *store.View) bool {
	for i := range k.resolved {
		out := &k.resolved[i]
		t := &g.types[out.Type]
		if out.Node == 0 && v.Node(t.sym, s.subjects[i].ID) != 0 {
			return false
		}
		if out.Program < 0 && t.wildcards && out.everyone == 0 && v.Node(t.sym, tuple.Wildcard) != 0 {
			return false
		}
	}
	return true
}

// find looks the subjects up, for at.
func (s *SubjectSet) find(g *Graph, v *store.View) ([]ResolvedSubject, bool) {
	k := &knownSubjects{graph: g.id, generation: v.Generation(), resolved: make([]ResolvedSubject, len(s.subjects))}
	for i := range s.subjects {
		named, out := &s.subjects[i], &k.resolved[i]
		var ok bool
		if out.Type, ok = g.typeNamed(named.Type); !ok || named.IsWildcard() {
			return nil, false
		}
		if out.Program = -1; named.Relation != "" && named.Relation != tuple.Plain {
			if out.Program, ok = g.programNamed(out.Type, named.Relation); !ok {
				return nil, false
			}
		}
		t := &g.types[out.Type]
		if out.Node = v.Node(t.sym, named.ID); out.Node == 0 && !isValid(named) {
			return nil, false
		}
		k.open = k.open || out.Node == 0
		if out.Program < 0 && t.wildcards {
			out.everyone = v.Node(t.sym, tuple.Wildcard)
			k.open = k.open || out.everyone == 0
		}
	}
	k.upTo.Store(v.Newest())
	s.known.Store(k)
	return k.resolved, true
}
