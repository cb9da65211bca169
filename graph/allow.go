package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// CheckTuple reports whether t, whose names and ids are valid, may be stored
// under this schema: nil or a *NotAllowedError. A stored caveat context may be
// partial, but what it holds must be of the caveat's types.
func (g *Graph) CheckTuple(t tuple.Tuple) error {
	_, _, err := g.allows(t)
	return err
}

// allows returns the shape of t and, if it has a caveat, the trait.
func (g *Graph) allows(t tuple.Tuple) (*shape, *trait, error) {
	p, err := g.storing(t)
	if err != nil {
		return nil, nil, err
	}
	sh, err := g.accepting(p, t.Subject)
	if err != nil {
		return nil, nil, err
	}
	if t.Caveat == "" {
		if t.Expires == 0 && sh.bare || t.Expires != 0 && sh.lasting {
			return sh, nil, nil
		}
		return nil, nil, g.wrongTraits(p, sh, t)
	}
	i := slices.IndexFunc(sh.caveats, func(tr trait) bool {
		return tr.name == t.Caveat && tr.expiring == (t.Expires != 0)
	})
	if i < 0 {
		return nil, nil, g.wrongTraits(p, sh, t)
	}
	return sh, &sh.caveats[i], checkContext(&sh.caveats[i], t.Context)
}

// storing returns the relation that t is a tuple of.
func (g *Graph) storing(t tuple.Tuple) (int32, error) {
	typ, ok := g.typeIndex[t.Object.Type]
	if !ok {
		return 0, &NotAllowedError{"object.type", t.Object.Type, "is not a type of the schema", g.typeHint(t.Object.Type)}
	}
	p, ok := g.types[typ].relations[t.Relation]
	if !ok {
		return 0, &NotAllowedError{"relation", t.Relation, "is not a relation of " + t.Object.Type, g.relationHint(typ, t.Relation)}
	}
	if g.programs[p].source.IsPermission() {
		return 0, &NotAllowedError{"relation", t.Relation, "is a permission, which is computed and stores no tuples",
			"write to one of the relations that it is computed from"}
	}
	return p, nil
}

// accepting returns the shape of relation p that s is a subject of.
func (g *Graph) accepting(p int32, s tuple.Subject) (*shape, error) {
	typ, ok := g.typeIndex[s.Type]
	if !ok {
		return nil, &NotAllowedError{"subject.type", s.Type, "is not a type of the schema", g.typeHint(s.Type)}
	}
	f, behind := plain, int32(-1)
	switch {
	case s.IsWildcard():
		f = wildcard
	case s.Relation != "":
		f = userset
		if behind, ok = g.types[typ].relations[s.Relation]; !ok {
			return nil, &NotAllowedError{"subject.relation", s.Relation, "is not a relation of " + s.Type, g.relationHint(typ, s.Relation)}
		}
	}
	all := g.programs[p].shapes
	for i := all.from; i < all.to; i++ {
		if sh := &g.shapes[i]; sh.form == f && sh.typ == typ && sh.program == behind {
			return sh, nil
		}
	}
	return nil, &NotAllowedError{"subject", s.String(), "is not a kind of subject that " + g.programName(p) + " accepts", g.accepts(p)}
}

// wrongTraits says why sh of relation p does not store t as far as its caveat
// and its expiry go.
func (g *Graph) wrongTraits(p int32, sh *shape, t tuple.Tuple) error {
	if t.Caveat != "" && g.caveats[t.Caveat] == nil {
		hint := hintFor(t.Caveat, slices.Sorted(maps.Keys(g.caveats)))
		if hint == "" {
			hint = g.programName(p) + " accepts " + g.kinds(p)
		}
		return &NotAllowedError{"caveat", t.Caveat, "is not a caveat of the schema", hint}
	}
	err := &NotAllowedError{Field: "caveat", Value: t.Caveat, Hint: g.accepts(p)}
	if t.Caveat == "" && t.Expires != 0 {
		err.Field, err.Value = "expiration", tuple.FormatTime(t.Expires)
	}
	err.Message = fmt.Sprintf("%s %s", g.programName(p), sh.refusal(t))
	return err
}

// refusal completes "the relation ..." for a t whose traits sh does not store.
func (sh *shape) refusal(t tuple.Tuple) string {
	expiring := func(tr trait) bool { return tr.expiring }
	switch named := func(tr trait) bool { return tr.name == t.Caveat }; {
	case t.Caveat != "" && !slices.ContainsFunc(sh.caveats, named):
		return fmt.Sprintf("does not accept %s with this caveat", t.Subject)
	case t.Caveat != "" && t.Expires != 0:
		return fmt.Sprintf("accepts %s with this caveat only without an expiry", t.Subject)
	case t.Caveat != "":
		return fmt.Sprintf("accepts %s with this caveat only if there is an expiry, too", t.Subject)
	case t.Expires == 0:
		return fmt.Sprintf("accepts %s only with %s", t.Subject, sh.needs())
	case slices.ContainsFunc(sh.caveats, expiring):
		return fmt.Sprintf("accepts %s with an expiry only if there is a caveat, too", t.Subject)
	}
	return fmt.Sprintf("does not accept %s with an expiry", t.Subject)
}

// needs says the least that a tuple of sh, which is not bare, must have.
func (sh *shape) needs() string {
	caveat := slices.ContainsFunc(sh.caveats, func(tr trait) bool { return !tr.expiring })
	switch {
	case caveat && sh.lasting:
		return "a caveat or an expiry"
	case caveat:
		return "a caveat"
	case sh.lasting:
		return "an expiry"
	}
	return "a caveat and an expiry"
}

func checkContext(tr *trait, context string) error {
	if context == "" {
		return nil
	}
	values, err := tuple.DecodeContext([]byte(context))
	if err != nil {
		return &NotAllowedError{"caveat.context", context, err.Error(), ""}
	}
	for name, value := range values {
		if err := tr.caveat.Check(name, value); err != nil {
			return &NotAllowedError{"caveat.context", name, err.Error(), ""}
		}
	}
	return nil
}

func (g *Graph) programName(p int32) string {
	return g.types[g.programs[p].typ].name + "#" + g.programs[p].name
}

// accepts says what relation p accepts.
func (g *Graph) accepts(p int32) string { return "it accepts " + g.kinds(p) }

func (g *Graph) kinds(p int32) string {
	var kinds []string
	for _, t := range g.programs[p].source.Types {
		kinds = append(kinds, t.String())
	}
	return strings.Join(kinds, " | ")
}

func (g *Graph) typeHint(word string) string {
	names := make([]string, len(g.types))
	for i, t := range g.types {
		names[i] = t.name
	}
	return hintFor(word, names)
}

func (g *Graph) relationHint(typ int32, word string) string {
	var names []string
	for _, r := range g.schema.Definitions[typ].Relations {
		names = append(names, r.Name)
	}
	return hintFor(word, names)
}

// Removed returns the classes of tuples that g stores and next does not allow.
// A schema write must find them empty.
func (g *Graph) Removed(next *Graph) []store.EmptyShape {
	var out []store.EmptyShape
	for p := range g.programs {
		all := g.programs[p].shapes
		for i := all.from; i < all.to; i++ {
			out = append(out, g.removed(int32(p), &g.shapes[i], next)...)
		}
	}
	return out
}

func (g *Graph) removed(p int32, sh *shape, next *Graph) []store.EmptyShape {
	whole := store.EmptyShape{
		Type: g.types[g.programs[p].typ].name, Relation: g.programs[p].name,
		SubjectType: g.types[sh.typ].name, Wildcard: sh.form == wildcard,
	}
	if sh.form == userset {
		whole.SubjectRelation = g.programs[sh.program].name
	}
	kept := next.sameShape(whole)
	if kept == nil {
		whole.AnyCaveat, whole.AnyExpiring = true, true
		return []store.EmptyShape{whole}
	}
	var out []store.EmptyShape
	gone := func(caveat string, expiring bool) {
		e := whole
		e.Caveat, e.Expiring = caveat, expiring
		out = append(out, e)
	}
	if sh.bare && !kept.bare {
		gone("", false)
	}
	if sh.lasting && !kept.lasting {
		gone("", true)
	}
	for _, t := range sh.caveats {
		same := func(k trait) bool { return k.name == t.name && k.expiring == t.expiring }
		if !slices.ContainsFunc(kept.caveats, same) {
			gone(t.name, t.expiring)
		}
	}
	return out
}

// sameShape returns the shape that stores e's tuples, nil if there is none.
func (g *Graph) sameShape(e store.EmptyShape) *shape {
	s := tuple.Subject{Type: e.SubjectType, ID: "x", Relation: e.SubjectRelation}
	if e.Wildcard {
		s.ID = tuple.Wildcard
	}
	p, err := g.storing(tuple.Tuple{Object: tuple.Object{Type: e.Type}, Relation: e.Relation})
	if err != nil {
		return nil
	}
	sh, err := g.accepting(p, s)
	if err != nil {
		return nil
	}
	return sh
}
