package graph

import (
	"maps"
	"slices"
)

// ChangeKind says what a change does to who is allowed.
type ChangeKind uint8

const (
	Added    ChangeKind = iota // it is new
	Removed                    // it is gone
	Widened                    // nobody loses by it
	Narrowed                   // nobody gains by it
	Changed                    // it may go either way
)

func (k ChangeKind) String() string {
	return [...]string{"added", "removed", "wider", "narrower", "changed"}[k]
}

// Declared is what a change is about.
type Declared uint8

const (
	DeclaredDefinition Declared = iota
	DeclaredRelation
	DeclaredPermission
	DeclaredCaveat
)

func (d Declared) String() string {
	return [...]string{"definition", "relation", "permission", "caveat"}[d]
}

// A Change is one difference in meaning between two schemas.
type Change struct {
	Kind          ChangeKind
	What          Declared
	Type, Name    string   // the definition and its relation or permission; Name is "" for a definition, Type for a caveat
	Before, After string   // as the schemas have it, printed canonically without comments; "" = it is not there
	Text          string   // for people: who gains or loses what
	Effects       []Effect // what inherits the change, through references, arrows and usersets
	Cut           bool     // there are more Effects, which are not worked out; Kind is then no better than Changed
}

// An Effect is a change of a relation or permission that stays as it is written.
type Effect struct {
	Type, Name string
	Kind       ChangeKind // Widened, Narrowed or Changed
}

// mostEffects bounds the steps to the effects of all changes together.
const mostEffects = 500_000

// Diff says what changes for whom if new replaces old; both must be valid.
// Changes come in the order of new, with what is removed behind it; comments,
// order, parentheses, partials and the annotations of permissions are no
// changes.
//
// The claims hold for every question that both schemas understand, at equal
// tuples, context and time: a relation or permission that is named in no
// change and no effect answers as before; one that is only ever said to be
// wider denies nobody who was allowed and allows nobody less surely, one that
// is only ever said to be narrower the reverse ("conditional" and errors lie
// between "denied" and "allowed"). Where neither can be shown, it is Changed.
func Diff(old, new *Schema) []Change {
	d := &differ{old: newSide(old), new: newSide(new), listeners: map[member][]listener{}, seeds: map[beginning][]seed{}}
	for _, def := range new.Definitions {
		d.definition(def)
	}
	for _, def := range old.Definitions {
		if d.new.defs[def.Name] == nil {
			d.gone(def)
		}
	}
	d.allCaveats()
	for i := range d.changes {
		d.spread(&d.changes[i])
	}
	return d.changes
}

// member names a relation or permission.
type member struct{ typ, name string }

// source names what changes and is felt elsewhere: a member, or a caveat, whose
// typ is "".
type beginning = member

// side is one of the two schemas.
type side struct {
	schema  *Schema
	defs    map[string]*Definition
	rels    map[string]map[string]*Relation
	caveats map[string]*Caveat
}

func newSide(s *Schema) *side {
	out := &side{s, map[string]*Definition{}, map[string]map[string]*Relation{}, map[string]*Caveat{}}
	for _, d := range s.Definitions {
		rels := map[string]*Relation{}
		for _, r := range d.Relations {
			rels[r.Name] = r
		}
		out.defs[d.Name], out.rels[d.Name] = d, rels
	}
	for _, c := range s.Caveats {
		out.caveats[c.Name] = c
	}
	return out
}

func (s *side) relation(m member) *Relation { return s.rels[m.typ][m.name] }

type differ struct {
	old, new *side
	changes  []Change

	listeners map[member][]listener // who is decided through a member that both sides have
	seeds     map[beginning][]seed  // where a change is felt first
	effects   int
	visits    int // of settled
}

// common reports whether both sides have m.
func (d *differ) common(m member) bool {
	return d.old.relation(m) != nil && d.new.relation(m) != nil
}

func (d *differ) definition(def *Definition) {
	before := d.old.defs[def.Name]
	if before == nil {
		d.changes = append(d.changes, Change{Kind: Added, What: DeclaredDefinition, Type: def.Name, After: printDefinition(def), Text: newType(def)})
		return
	}
	for _, r := range def.Relations {
		m := member{def.Name, r.Name}
		if was := d.old.relation(m); was != nil {
			d.both(m, was, r)
			continue
		}
		d.changes = append(d.changes, Change{Kind: Added, What: declared(r), Type: def.Name, Name: r.Name, After: r.line(), Text: newMember(def, r)})
	}
	for _, r := range before.Relations {
		if d.new.rels[def.Name][r.Name] == nil {
			d.changes = append(d.changes, Change{Kind: Removed, What: declared(r), Type: def.Name, Name: r.Name, Before: r.line(), Text: lostMember(def, r)})
		}
	}
}

func (d *differ) gone(def *Definition) {
	d.changes = append(d.changes, Change{Kind: Removed, What: DeclaredDefinition, Type: def.Name, Before: printDefinition(def), Text: lostType(def)})
}

func declared(r *Relation) Declared {
	if r.IsPermission() {
		return DeclaredPermission
	}
	return DeclaredRelation
}

// both compares a member that both sides have, and notes how it depends on
// others.
func (d *differ) both(m member, was, is *Relation) {
	now := &former{forms: newForms(), own: d.new.rels[m.typ], other: d.old.rels[m.typ]}
	kinds := d.kindsOf(was, is)
	own, same := direction(0), true
	if !sameExpr(was.Rewrite, is.Rewrite) {
		now.settled = func(arrow string) bool { return d.settled(m, arrow) }
		before := &former{forms: now.forms, own: d.old.rels[m.typ], other: d.new.rels[m.typ]}
		own, same = now.compare(before.body(was), now.body(is))
	}
	now.leaves(is, func(e Expr, negative bool) {
		if _, ok := e.(*This); ok {
			own |= kinds.direction().signed(negative)
			d.listenToKinds(m, is, kinds, negative)
			return
		}
		d.listen(m, e, negative)
	})
	if own == 0 {
		return
	}
	d.seeds[m] = append(d.seeds[m], seed{m, own})
	d.changes = append(d.changes, Change{
		Kind: kindOf(own), What: declared(is), Type: m.typ, Name: m.name, Before: was.line(), After: is.line(),
		Text: d.sentence(m, was, is, kinds, own, same),
	})
}

// kindChange is the difference between what two versions of a relation accept.
type kindChange struct {
	added, removed []TypeRestriction
	recaveated     []TypeRestriction // both have them, but the caveat means something else now
}

func (k kindChange) direction() direction {
	var out direction
	if len(k.added) > 0 {
		out |= wider
	}
	if len(k.removed) > 0 {
		out |= narrower
	}
	return out
}

func (d *differ) kindsOf(was, is *Relation) kindChange {
	before, now := map[string]bool{}, map[string]bool{}
	for _, t := range was.Types {
		before[t.String()] = true
	}
	var k kindChange
	for _, t := range is.Types {
		now[t.String()] = true
		if !before[t.String()] {
			k.added = append(k.added, t)
		} else if t.Caveat != "" && !d.sameCaveat(t.Caveat) {
			k.recaveated = append(k.recaveated, t)
		}
	}
	for _, t := range was.Types {
		if !now[t.String()] {
			k.removed = append(k.removed, t)
		}
	}
	return k
}

// allCaveats compares the caveats. What they do where they stand is noted with
// the relations.
func (d *differ) allCaveats() {
	for _, c := range d.new.schema.Caveats {
		switch was := d.old.caveats[c.Name]; {
		case was == nil:
			d.changes = append(d.changes, Change{Kind: Added, What: DeclaredCaveat, Name: c.Name, After: printCaveat(c), Text: "caveat " + c.Name + " is new"})
		case !d.sameCaveat(c.Name):
			d.changes = append(d.changes, Change{Kind: Changed, What: DeclaredCaveat, Name: c.Name, Before: printCaveat(was), After: printCaveat(c), Text: caveatSentence(was, c)})
		}
	}
	for _, c := range d.old.schema.Caveats {
		if d.new.caveats[c.Name] == nil {
			d.changes = append(d.changes, Change{Kind: Removed, What: DeclaredCaveat, Name: c.Name, Before: printCaveat(c), Text: "caveat " + c.Name + " is gone"})
		}
	}
}

// sameCaveat reports whether a caveat that both sides have is the same but for
// the order of parameters, blanks and comments.
func (d *differ) sameCaveat(name string) bool {
	a, b := d.old.caveats[name], d.new.caveats[name]
	return maps.Equal(paramTypes(a), paramTypes(b)) && slices.Equal(celTokens(a.Body), celTokens(b.Body))
}

func paramTypes(c *Caveat) map[string]string {
	types := map[string]string{}
	for _, p := range c.Params {
		types[p.Name] = p.Type.String()
	}
	return types
}

// celTokens cuts an expression at blanks and comments that are not in strings;
// everything else that is no word stands by itself.
func celTokens(body string) []string {
	var out []string
	for i := 0; i < len(body); {
		n := 1
		switch c := body[i]; {
		case c == '/' && i+1 < len(body) && body[i+1] == '/':
			i = endOfLine(body, i)
			continue
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
			continue
		case isWordByte(c), c == '"', c == '\'':
			if n = celWordLen(body[i:]); n < 1 {
				n = 1
			}
		}
		out = append(out, body[i:i+n])
		i += n
	}
	return out
}
