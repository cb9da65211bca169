package graph

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/tuple"
)

// Validate checks what s means: names, references, duplicates, type
// restrictions, arrows and caveats. The error, if any, is a SchemaErrors with
// the mistakes in the order of the text. Warnings point at what is allowed but
// worth a second look, in the order of the text; they are given for valid
// schemas only.
//
// Names written in a schema follow the schema language; those of a declaration
// without position (translated from another dialect) need only be valid for
// package tuple.
func Validate(s *Schema) ([]Warning, error) {
	v := &validator{
		schema:   s,
		defs:     map[string]*definitionInfo{},
		caveats:  map[string]*Caveat{},
		flags:    map[string]bool{},
		partials: map[string]*Partial{},
		spread:   map[*Partial]bool{},
		twice:    map[*Relation]bool{},
		unused:   map[*Caveat][]Param{},
		having:   map[string][]*definitionInfo{},
		arrows:   map[arrowKey]*arrowInfo{},
	}
	v.declare()
	for _, d := range declarations(s) {
		if len(v.errs) >= maxErrors {
			break
		}
		switch d := d.(type) {
		case *Definition:
			v.definition(d)
		case *Caveat:
			v.caveat(d)
		}
	}
	if len(v.errs) == 0 {
		v.findLoops()
		v.expectedTypes()
	}
	if len(v.errs) > 0 {
		slices.SortStableFunc(v.errs, func(a, b *SchemaError) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
		})
		return nil, v.errs
	}
	return v.allWarnings(), nil
}

type validator struct {
	schema  *Schema
	defs    map[string]*definitionInfo
	caveats map[string]*Caveat
	flags   map[string]bool
	errs    SchemaErrors
	celText int // bytes of caveat expressions so far

	partials map[string]*Partial
	spread   map[*Partial]bool  // included somewhere
	twice    map[*Relation]bool // reported as a duplicate

	unused   map[*Caveat][]Param
	reached  [][]string      // types by loop; for schemas with checked annotations
	rels     []*relationInfo // of all definitions, in their order; for valid schemas
	warnings []Warning       // in the order found

	having map[string][]*definitionInfo // relation name -> the definitions that have one
	arrows map[arrowKey]*arrowInfo      // memo of arrowTargets
}

type definitionInfo struct {
	def  *Definition
	rels map[string]*relationInfo
}

type relationInfo struct {
	*Relation
	node
	of       *definitionInfo
	types    map[string]*definitionInfo // known subject types, of any form
	wildcard string                     // one of the wildcards it accepts, "" = none
	userset  *TypeRestriction           // one of the usersets it accepts, nil = none
}

// arrowInfo is what an arrow leads to, shared by equal arrows of a definition.
type arrowInfo struct {
	node
	targets  []*relationInfo
	relation *relationInfo // the target on the first other type, in the order of their names, where it is no permission
}

type arrowKey struct {
	tupleset *relationInfo
	target   string
}

// report adds a mistake. candidates, called only if the mistake is kept, gives
// the names that could have been meant.
func (v *validator) report(err *SchemaError, candidates func() []string) {
	same := func(e *SchemaError) bool { return *e == *err }
	if len(v.errs) >= maxErrors {
		return
	}
	if candidates != nil && err.Hint == "" {
		names := candidates()
		slices.Sort(names)
		err.Hint = hintFor(err.Word, names)
	}
	// A relation of a partial is looked at in each definition that includes it.
	if err.Line == 0 || !slices.ContainsFunc(v.errs, same) {
		v.errs = append(v.errs, err)
	}
}

func keysOf[V any](m map[string]V) func() []string {
	return func() []string { return slices.Collect(maps.Keys(m)) }
}

// declare collects all names before any of them is looked up.
func (v *validator) declare() {
	for _, u := range v.schema.Uses {
		v.flags[u.Flag] = true
		if err := checkFlag(u.Flag, u.Pos); err != nil {
			v.report(err, nil)
		}
	}
	v.declarePartials()
	taken := map[string]Pos{}
	for _, d := range declarations(v.schema) {
		pos := Pos{}
		switch d := d.(type) {
		case *Partial:
			continue // partials have names of their own
		case *Definition:
			pos = d.Pos
			v.checkName(d.Name, pos, "type")
			if _, twice := v.defs[d.Name]; !twice {
				v.defs[d.Name] = v.declareRelations(d)
			}
		case *Caveat:
			pos = d.Pos
			v.checkName(d.Name, pos, "caveat")
			if d.Name == "expiration" && v.flags["expiration"] {
				v.report(errorAt(pos, d.Name, `a keyword under "use expiration"`), nil)
			}
			v.caveats[d.Name] = d
		}
		if first, twice := taken[d.declName()]; twice {
			v.report(errorAt(pos, d.declName(), "a definition or caveat of this name is on line %d already", first.Line), nil)
		} else {
			taken[d.declName()] = pos
		}
	}
}

func (v *validator) declareRelations(d *Definition) *definitionInfo {
	info := &definitionInfo{def: d, rels: map[string]*relationInfo{}}
	v.duplicates(d)
	for _, r := range d.Relations {
		v.checkName(r.Name, r.Pos, "relation")
		if info.rels[r.Name] != nil {
			continue
		}
		if r.Name == "self" && v.flags["self"] {
			v.report(errorAt(r.Pos, r.Name, `a keyword under "use self"`), nil)
		}
		info.rels[r.Name] = &relationInfo{Relation: r, of: info, types: map[string]*definitionInfo{}}
		v.having[r.Name] = append(v.having[r.Name], info)
	}
	return info
}

// checkName checks a name where it is declared. The language publishes
// ^[a-z][a-z0-9_]{1,62}[a-z0-9]$ for each part of a name; shorter ones are
// accepted here, and names of several words with dots between, which may have
// capitals within: iam.serviceAccounts.list.
func (v *validator) checkName(name string, pos Pos, kind string) {
	prefixes := kind != "relation"
	switch {
	case pos == (Pos{}):
		if prefixes && tuple.ValidType(name) || tuple.ValidName(name) {
			return
		}
		v.report(errorAt(pos, name, "not a valid name of a %s", kind), nil)
	case len(name) > tuple.MaxNameLen:
		v.report(errorAt(pos, name, "the name of a %s has at most %d bytes", kind, tuple.MaxNameLen), nil)
	case !prefixes && strings.Contains(name, "/"):
		v.report(errorAt(pos, name, "only types and caveats have a prefix"), nil)
	default:
		for part := range strings.SplitSeq(name, "/") {
			if !isLanguageName(part) {
				v.report(errorAt(pos, name, "a name is lower-case letters, digits and '_', begins with a letter and does not end with '_'"), nil)
				return
			}
		}
	}
}

func isLanguageName(s string) bool {
	dotted := strings.Contains(s, ".")
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || word[0] < 'a' || word[0] > 'z' || word[len(word)-1] == '_' {
			return false
		}
		for i := range len(word) {
			if !isWordByte(word[i]) || !dotted && 'A' <= word[i] && word[i] <= 'Z' {
				return false
			}
		}
	}
	return true
}

func (v *validator) definition(d *Definition) {
	info := v.defs[d.Name]
	if info.def != d {
		return // a duplicate, reported by declare
	}
	for _, r := range d.Relations {
		if rel := info.rels[r.Name]; rel.Relation == r {
			v.restrictions(rel)
			v.expectedNames(rel)
		}
	}
	for _, r := range d.Relations {
		rel := info.rels[r.Name]
		if rel.Relation != r {
			continue
		}
		switch {
		case r.Rewrite != nil:
			v.expr(rel, r.Rewrite)
		case len(r.Types) == 0:
			v.report(errorAt(r.Pos, r.Name, "a relation needs a type"), nil)
		}
	}
}

// restrictions checks what a relation accepts as subjects.
func (v *validator) restrictions(rel *relationInfo) {
	seen := map[string]bool{}
	for i, t := range rel.Types {
		if t.Relation != "" && rel.userset == nil {
			rel.userset = &rel.Types[i]
		}
		if text := t.String(); seen[text] {
			v.report(errorAt(t.Pos, text, "this type stands here twice"), nil)
		} else {
			seen[text] = true
		}
		v.traits(t)
		info, known := v.defs[t.Type]
		if !known {
			v.report(errorAt(t.Pos, t.Type, "no such type"), keysOf(v.defs))
			continue
		}
		rel.types[t.Type] = info
		if t.Wildcard {
			rel.wildcard = t.Type + ":*"
		}
		switch {
		case t.Relation == "":
		case t.Wildcard:
			v.report(errorAt(t.RelationPos, t.Relation, "a wildcard has no relation"), nil)
		case info.rels[t.Relation] == nil:
			v.report(noRelation(t.RelationPos, t.Relation, info), keysOf(info.rels))
		}
	}
}

func noRelation(pos Pos, name string, in *definitionInfo) *SchemaError {
	return errorAt(pos, name, "no such relation or permission in %s", in.def.Name)
}

func (v *validator) traits(t TypeRestriction) {
	if t.Expiration && !v.flags["expiration"] {
		err := errorAt(t.Pos, t.String(), `"with expiration" needs "use expiration" at the top of the schema`)
		v.report(err, nil)
	}
	if t.Caveat == "" || v.caveats[t.Caveat] != nil {
		return
	}
	err := errorAt(t.CaveatPos, t.Caveat, "no such caveat")
	if t.Caveat == "expiration" {
		err.Hint = `for "with expiration" write "use expiration" at the top of the schema`
	}
	v.report(err, keysOf(v.caveats))
}

// expr checks the rewrite of rel or a part of it.
func (v *validator) expr(rel *relationInfo, e Expr) {
	switch e := e.(type) {
	case *Ref:
		if rel.of.rels[e.Name] == nil {
			err := noRelation(e.Pos, e.Name, rel.of)
			if e.Name == "self" {
				err.Hint = `for the object itself write "use self" at the top of the schema`
			}
			v.report(err, keysOf(rel.of.rels))
		}
	case *Arrow:
		v.arrow(rel, e)
	case *Self:
		if !v.flags["self"] && e.Pos != (Pos{}) {
			v.report(errorAt(e.Pos, "self", `needs "use self" at the top of the schema`), nil)
		}
	case *This:
		if len(rel.Types) == 0 {
			v.report(errorAt(rel.Pos, rel.Name, "a permission has no direct subjects"), nil)
		}
	case *Union:
		v.exprs(rel, e.Children)
	case *Intersection:
		v.exprs(rel, e.Children)
	case *Exclusion:
		v.expr(rel, e.Base)
		v.expr(rel, e.Minus)
	}
}

func (v *validator) exprs(rel *relationInfo, children []Expr) {
	for _, c := range children {
		v.expr(rel, c)
	}
}

func (v *validator) arrow(rel *relationInfo, a *Arrow) {
	ts := rel.of.rels[a.Tupleset]
	if ts == nil {
		v.report(errorAt(a.Pos, a.Tupleset, "no such relation in %s", rel.of.def.Name), keysOf(rel.of.rels))
		return
	}
	if ts.IsPermission() {
		v.report(errorAt(a.Pos, a.Tupleset, "a permission cannot stand left of an arrow, only a relation can"), nil)
		return
	}
	if ts.wildcard != "" {
		v.report(errorAt(a.Pos, a.Tupleset, "a relation that accepts a wildcard (%s) cannot stand left of an arrow", ts.wildcard), nil)
		return
	}
}

// arrowTargets finds the relations that ts->target leads to. It goes over the
// shorter of "the types of ts" and "the definitions that have a target", so
// that many arrows over many types stay cheap.
func (v *validator) arrowTargets(ts *relationInfo, target string) *arrowInfo {
	key := arrowKey{ts, target}
	if found, done := v.arrows[key]; done {
		return found
	}
	found := &arrowInfo{}
	add := func(info *definitionInfo) {
		if r := info.rels[target]; r != nil && ts.types[info.def.Name] == info {
			found.targets = append(found.targets, r)
			found.edges = append(found.edges, edge{to: &r.node})
			if info != ts.of && !r.IsPermission() && (found.relation == nil || info.def.Name < found.relation.of.def.Name) {
				found.relation = r
			}
		}
	}
	if having := v.having[target]; len(having) < len(ts.types) {
		for _, info := range having {
			add(info)
		}
	} else {
		for _, info := range ts.types {
			add(info)
		}
	}
	v.arrows[key] = found
	return found
}
