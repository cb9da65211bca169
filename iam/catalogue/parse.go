package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Limits of a source. They leave room for ten of the shipped catalogue, and
// bound what parsing costs.
const (
	maxSource      = 4 << 20 // bytes
	maxRoles       = 4_000
	maxKinds       = 4_000
	maxPermissions = 20_000
	maxIncludes    = 100       // of a role, directly
	maxSelectors   = 10_000    // of all grants
	maxDescription = 1_000     // bytes
	maxGranted     = 2_000_000 // permissions of roles, summed up
	maxBase        = 6 << 20   // bytes of the schema without custom roles
)

// Parse reads a source: the line "catalogue 1", then the sections [kinds],
// [verbs], [roles] and [grants] in any order, whose rows are described in the
// comments of the shipped ones (ShippedSource). The error names a line and says
// what to do.
func Parse(source []byte) (*Catalogue, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("catalogue: %d bytes, the limit is %d", len(source), maxSource)
	}
	if !utf8.Valid(source) {
		return nil, fmt.Errorf("catalogue: the text is not UTF-8")
	}
	rows, err := cut(source)
	if err != nil {
		return nil, err
	}
	p := parser{rows: rows, cat: &Catalogue{digest: digestOf(source)}}
	for _, step := range []func() error{p.verbs, p.kinds, p.roles, p.grants, p.inclusions} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if p.cat.base, err = newBase(p.cat); err != nil {
		return nil, err
	}
	p.cat.findOwnersOnly()
	return p.cat, nil
}

// A parser turns rows into a catalogue, one section after the other.
type parser struct {
	rows  map[string][]row
	cat   *Catalogue
	verb  *verbs
	index map[string]int // role -> place in cat.roles
	line  []int          // of each role
	own   []bits         // permissions that each role grants itself
	not   []bits         // those that it must not have, nil = none
}

// verbs reads the permissions.
func (p *parser) verbs() error {
	var err error
	if p.verb, err = newVerbs(p.rows["verbs"]); err != nil {
		return err
	}
	p.cat.permissions, p.cat.indexOf = p.verb.names, p.verb.index
	return nil
}

// everyKind are the actions that each kind has.
var everyKind = []string{"get", "list", "listOperations", "create", "update", "delete", "use", "listAccessBindings", "updateAccessBindings"}

func (p *parser) kinds() error {
	rows := p.rows["kinds"]
	if len(rows) > maxKinds {
		return rows[maxKinds].errorf("more than %d kinds", maxKinds)
	}
	c := p.cat
	c.kindOf = make(map[string]*Kind, len(rows))
	for _, r := range rows {
		k := &Kind{ID: r.fields[0], Permissions: r.fields[1], Parents: r.list(2)}
		switch {
		case !validKind(k.ID):
			return r.errorf("%.100q is no kind; write SERVICE.RESOURCE", k.ID)
		case c.kindOf[k.ID] != nil:
			return r.errorf("the kind %s stands here again", k.ID)
		}
		for _, a := range everyKind {
			if !c.HasPermission(k.Permissions + "." + a) {
				return r.errorf("the kind %s needs the permission %.100s.%s; add it to [verbs]", k.ID, k.Permissions, a)
			}
		}
		c.kindOf[k.ID] = k
	}
	for _, r := range rows {
		for _, parent := range r.list(2) {
			if c.kindOf[parent] == nil {
				return r.errorf("%.100q, where %s may stand in, is no kind", parent, r.fields[0])
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.kindOf)) {
		c.kinds = append(c.kinds, c.kindOf[id])
	}
	return nil
}
