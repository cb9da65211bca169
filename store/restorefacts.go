package store

import (
	"errors"
	"fmt"

	"github.com/pemba-authz/pemba/tuple"
)

// decodedFacts is a facts section with the section's own numbering.
type decodedFacts struct {
	names  []string
	shapes [][4]uint64 // names: type, relation, subject type, subject relation
	nodes  []decodedNode
	cavs   []decodedNode // a caveat's name and context
	facts  []decodedFact
}

type decodedNode struct {
	name uint64
	text string
}

type decodedFact struct {
	object, subject, shape, caveat uint64 // caveat 0 = none, else index + 1
	expires                        int64
	created, deleted               uint64
}

func (r *reader) facts() decodedFacts {
	const most = 1 << 24
	var d decodedFacts
	d.names = list(r, most, 1, r.string)
	d.shapes = list(r, most, 4, func() (sh [4]uint64) {
		for i := range sh {
			sh[i] = r.below(len(d.names))
		}
		return sh
	})
	node := func() decodedNode {
		n := decodedNode{r.below(len(d.names)), r.shared()}
		if len(n.text) > maxText {
			r.fail(fmt.Errorf("a text of %d bytes", len(n.text)))
		}
		return n
	}
	d.nodes = list(r, most, 2, node)
	d.cavs = list(r, most, 2, node)
	d.facts = list(r, most, 7, func() decodedFact {
		return decodedFact{
			object: r.below(len(d.nodes)), subject: r.below(len(d.nodes)), shape: r.below(len(d.shapes)),
			caveat: r.below(len(d.cavs) + 1), expires: r.varint(), created: r.uvarint(), deleted: r.uvarint(),
		}
	})
	return d
}

// below reads an index into a list of n elements.
func (r *reader) below(n int) uint64 {
	v := r.uvarint()
	if v >= uint64(n) {
		r.fail(fmt.Errorf("reference %d into a list of %d", v, n))
		return 0
	}
	return v
}

// takeFacts adds a section's facts to the current tenant.
func (l *loader) takeFacts(d *decodedFacts) error {
	if l.cur == nil {
		return errors.New("tuples without a tenant")
	}
	names := make([]Sym, len(d.names))
	for i, s := range d.names {
		names[i] = l.syms.Intern(s)
	}
	shapes := make([]ShapeID, len(d.shapes))
	for i, sh := range d.shapes {
		shapes[i] = l.syms.InternShape(Shape{names[sh[0]], names[sh[1]], names[sh[2]], names[sh[3]]})
	}
	nodes := make([]Node, len(d.nodes))
	for i, n := range d.nodes {
		nodes[i] = l.cur.internNode(names[n.name], n.text)
	}
	cavs := make([]CaveatRef, len(d.cavs)+1)
	for i, c := range d.cavs {
		cavs[i+1] = l.cur.internCaveat(names[c.name], c.text)
	}
	for i := range d.facts {
		f := &d.facts[i]
		v := version{nodes[f.object], nodes[f.subject], shapes[f.shape], cavs[f.caveat], f.expires, f.created}
		if err := l.check(v, f.deleted); err != nil {
			return err
		}
		l.cur.load(v, f.deleted)
	}
	return nil
}

// check refuses a version that no store can hold: names that disagree with
// the shape, a life that is no life, or two live at once.
func (l *loader) check(v version, deleted uint64) error {
	g := l.cur
	sh := l.syms.Shape(v.shape)
	object, id := g.nodeName(v.object)
	subject, subjectID := g.nodeName(v.subject)
	wild := sh.SubjectRelation == SymWildcard
	switch {
	case object != sh.Type || subject != sh.SubjectType || wild != (subjectID == tuple.Wildcard):
		return fmt.Errorf("tuple %s:%s does not fit its shape", l.syms.Name(object), id)
	case v.expires < 0:
		return fmt.Errorf("tuple expires at %d", v.expires)
	case v.created == 0 || v.created > l.state.revision || deleted > l.state.revision || deleted != 0 && deleted < v.created:
		return fmt.Errorf("tuple created at %d and deleted at %d, in a snapshot at %d", v.created, deleted, l.state.revision)
	}
	if older := g.fact(g.newest(v.object, v.shape, v.subject)); older != nil {
		if d := older.deleted.Load(); d == 0 || d > v.created {
			return fmt.Errorf("two versions of a tuple at revision %d", v.created)
		}
	}
	return nil
}
