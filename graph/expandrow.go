package graph

import (
	"iter"
	"slices"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// sight is a tuple of a row as one question sees it.
type sight struct {
	subject store.Node
	caveat  store.CaveatRef
	given   *givenFact // nil = the tuple is stored
	expires int64
	value   value // of the tuple alone; aborted = the walk is given up
	barred  bool  // by the schema: the question does not see it
	expired bool
}

// sights yields the tuples of object n and shape sh, the given ones first,
// those that the question does not see among them. It stops early when the
// walk is given up; then w.err is set.
func (w *walk) sights(n store.Node, sh *shape) iter.Seq[sight] {
	return func(yield func(sight) bool) {
		if w.given != nil {
			facts := w.given.row(n, sh.id)
			for i := range facts {
				if s := w.sightGiven(sh, &facts[i]); !w.spend() || !yield(s) {
					return
				}
			}
		}
		if isLocal(n) {
			return
		}
		it := w.view.Forward(n, sh.id)
		for w.step(&it) {
			f := it.Fact()
			if w.given != nil && w.given.find(n, sh.id, f.Subject) != nil {
				continue
			}
			if s := w.sightStored(sh, &f); !w.spend() || !yield(s) {
				return
			}
		}
	}
}

// sightOf returns the tuple (n, shape, subject), if there is one.
func (w *walk) sightOf(n store.Node, sh *shape, subject store.Node) (sight, bool) {
	if !w.spend() {
		return sight{}, false
	}
	if w.given != nil {
		if f := w.given.find(n, sh.id, subject); f != nil {
			return w.sightGiven(sh, f), true
		}
	}
	if subject == 0 || isLocal(n) || isLocal(subject) {
		return sight{}, false
	}
	f, ok, passed := w.view.FindCounted(n, sh.id, subject)
	if passed > 0 && !w.pass(passed) || !ok {
		return sight{}, false
	}
	return w.sightStored(sh, &f), true
}

func (w *walk) sightStored(sh *shape, f *store.Fact) sight {
	v, visible := w.weigh(sh, f)
	return w.sight(sight{subject: f.Subject, caveat: f.Caveat, expires: f.Expires, value: v}, visible)
}

func (w *walk) sightGiven(sh *shape, f *givenFact) sight {
	v, visible := w.weighGiven(sh, f)
	return w.sight(sight{subject: f.subject, given: f, expires: f.expires, value: v}, visible)
}

func (w *walk) sight(s sight, visible bool) sight {
	s.expired = s.expires != 0 && w.now >= s.expires
	s.barred = !visible && !s.expired
	return s
}

// isVisible reports whether the question sees the tuple.
func (s *sight) isVisible() bool { return !s.barred && !s.expired }

// tupleOf returns the tuple of a sight of object n and shape sh.
func (w *walk) tupleOf(n store.Node, sh *shape, s *sight) *tuple.Tuple {
	y, subject := w.view.Symbols(), w.object(s.subject)
	key := y.Shape(sh.id)
	t := &tuple.Tuple{
		Object:   w.object(n),
		Relation: y.Name(key.Relation),
		Subject:  tuple.Subject{Type: subject.Type, ID: subject.ID},
		Expires:  s.expires,
	}
	if sh.form == userset {
		t.Subject.Relation = y.Name(key.SubjectRelation)
	}
	switch {
	case s.given == nil && s.caveat != 0:
		name, context := w.view.Caveat(s.caveat)
		t.Caveat, t.Context = y.Name(name), context
	case s.given != nil && s.given.trait != nil:
		t.Caveat, t.Context = s.given.trait.name, s.given.context
	}
	return t
}

// caveatOf returns what the schema has for the tuple's caveat, nil = nothing.
func (sh *shape) caveatOf(t *tuple.Tuple) *CompiledCaveat {
	i := slices.IndexFunc(sh.caveats, func(tr trait) bool { return tr.name == t.Caveat })
	if i < 0 {
		return nil
	}
	return sh.caveats[i].caveat
}

// nameOf returns "type:id#relation" of a.
func (w *walk) nameOf(a atom) string {
	return w.object(a.node).String() + "#" + w.g.programs[a.program].name
}

// atom is one relation or permission of one object.
type atom struct {
	program int32
	node    store.Node
}

// describe returns a program's right side as it is written: the kinds of
// subjects of a relation, the rewrite of a permission.
func (p *program) describe() string {
	r := p.source
	if r.IsPermission() {
		return clip(printExpr(r.Rewrite))
	}
	var b []byte
	for i, t := range r.Types {
		if i > 0 {
			b = append(b, " | "...)
		}
		b = append(b, t.String()...)
	}
	if r.Rewrite != nil {
		b = append(b, " = "+printExpr(r.Rewrite)...)
	}
	return clip(string(b))
}

// mostText bounds a part of the schema that is told of, in bytes: it may be
// repeated thousands of times.
const mostText = 1000

func clip(s string) string {
	if len(s) <= mostText {
		return s
	}
	end := mostText
	for end > 0 && s[end]&0xc0 == 0x80 {
		end-- // not within a letter
	}
	return s[:end] + "..."
}
