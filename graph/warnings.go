package graph

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Names of warnings. The first six are those that SpiceDB and zed publish
// (pkg/development in authzed/spicedb), so that comments which silence them
// there do so here; the others are our own.
const (
	warnNameRepeatsType   = "relation-name-references-parent"
	warnReferencesItself  = "permission-references-itself"
	warnArrowToRelation   = "arrow-references-relation"
	warnArrowUnreachable  = "arrow-references-unreachable-relation"
	warnArrowOverUserset  = "arrow-walks-subject-relation"
	warnMixedOperators    = "mixed-operators-without-parentheses"
	warnNegativeRecursion = "negative-recursion"
	warnArrowSkipsTypes   = "arrow-skips-some-types"
	warnTypesIgnored      = "types-not-checked"
	warnTypeNotReached    = "expected-type-not-reached"
	warnUnusedParameter   = "unused-caveat-parameter"
	warnUnusedPartial     = "unused-partial"
)

// silence begins a comment at a relation, permission, partial or caveat that
// switches the warning named behind it off there.
const silence = "spicedb-ignore-warning:"

// Bounds on warnings.
const (
	maxWarnings      = 100              // of one Validate
	maxWarningsFound = 10 * maxWarnings // kept until they are sorted
	maxTypesSkipped  = 100              // types of a relation, for them to be compared
)

// A Warning points at something that a schema may do but that is worth a
// second look.
type Warning struct {
	Name       string // stable, in kebab-case; a comment "// spicedb-ignore-warning: NAME" silences it
	Type       string // the definition, "" for a caveat or a partial
	Permission string // the relation or permission; the name of the caveat or partial
	Pos        Pos
	Message    string
}

// String returns one line in the form of a SchemaError.
func (w Warning) String() string {
	if w.Pos == (Pos{}) {
		return w.Text()
	}
	return fmt.Sprintf("line %d, column %d: %s", w.Pos.Line, w.Pos.Col, w.Text())
}

// Text returns one line that says what the warning is about, without the
// position.
func (w Warning) Text() string {
	at := w.Permission
	if w.Type != "" {
		at = w.Type + "#" + w.Permission
	}
	return fmt.Sprintf("%s: %s (%s)", at, w.Message, w.Name)
}

// warn adds a warning unless a comment at rel silences it.
func (v *validator) warn(rel *relationInfo, name string, pos Pos, format string, args ...any) {
	if len(v.warnings) < maxWarningsFound && !isSilenced(rel.Doc, name) {
		v.warnings = append(v.warnings, Warning{name, rel.of.def.Name, rel.Name, pos, fmt.Sprintf(format, args...)})
	}
}

// isSilenced looks for the comment that switches a warning off.
func isSilenced(doc []string, name string) bool {
	for _, comment := range doc {
		for line := range strings.SplitSeq(comment, "\n") {
			rest, found := strings.CutPrefix(strings.Trim(line, "/* \t"), silence)
			if found && strings.TrimSpace(rest) == name {
				return true
			}
		}
	}
	return false
}

// allWarnings collects the warnings of a valid schema. What a schema that was
// translated from another dialect calls its parts, and how it puts them
// together, is not its writer's choice, so that only what matters for answers
// is looked at there.
func (v *validator) allWarnings() []Warning {
	v.negativeRecursion()
	for _, rel := range v.rels {
		for _, e := range operands(rel.Rewrite) {
			if a, ok := e.(*Arrow); ok {
				v.arrowWarnings(rel, a)
			}
		}
		if rel.Pos != (Pos{}) {
			v.nameWarning(rel)
			v.selfReference(rel)
			v.mixedOperators(rel)
			v.typesWarnings(rel)
		}
	}
	v.partialWarnings()
	v.caveatWarnings()
	slices.SortStableFunc(v.warnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return v.warnings[:min(len(v.warnings), maxWarnings)]
}

// nameWarning finds "view_doc" in doc: where it is used, the type is known.
func (v *validator) nameWarning(rel *relationInfo) {
	typ := rel.of.def.Name[strings.LastIndexByte(rel.of.def.Name, '/')+1:]
	short, found := strings.CutSuffix(rel.Name, typ)
	switch {
	case !found:
	case short == "":
		v.warn(rel, warnNameRepeatsType, rel.Pos, "it is called like its type; name it after what it is to the %s", typ)
	case strings.HasSuffix(short, "_"):
		v.warn(rel, warnNameRepeatsType, rel.Pos, "the name repeats the type; %q says as much", strings.TrimRight(short, "_"))
	}
}

// selfReference finds permissions that name themselves on the positive side;
// the other side is recursion through an exclusion.
func (v *validator) selfReference(rel *relationInfo) {
	var visit func(e Expr)
	visit = func(e Expr) {
		switch e := e.(type) {
		case *Ref:
			if e.Name == rel.Name {
				v.warn(rel, warnReferencesItself, e.Pos, "it refers to itself, which adds nobody; for recursion over objects use an arrow")
			}
		case *Union:
			for _, c := range e.Children {
				visit(c)
			}
		case *Intersection:
			for _, c := range e.Children {
				visit(c)
			}
		case *Exclusion:
			visit(e.Base)
		}
	}
	visit(rel.Rewrite)
}

// mixedOperators warns once of a permission whose meaning hangs on the
// precedence, which is not the one of arithmetic.
func (v *validator) mixedOperators(rel *relationInfo) {
	outer, inner := mixed(rel.Rewrite)
	if inner == nil {
		return
	}
	v.warn(rel, warnMixedOperators, inner.Position(), "%q and %q are mixed without parentheses; it is read as %s",
		operator(inner), operator(outer), parenthesized(rel.Rewrite))
}

// mixed returns an operator and an operand of it that is another operator
// without parentheses, nil if there is none.
func mixed(e Expr) (outer, inner Expr) {
	children := childrenOf(e)
	for _, c := range children {
		if op := operator(c); op != "" && op != operator(e) && !isGrouped(c) {
			return e, c
		}
	}
	for _, c := range children {
		if outer, inner = mixed(c); inner != nil {
			return outer, inner
		}
	}
	return nil, nil
}

func childrenOf(e Expr) []Expr {
	switch e := e.(type) {
	case *Union:
		return e.Children
	case *Intersection:
		return e.Children
	case *Exclusion:
		return []Expr{e.Base, e.Minus}
	}
	return nil
}

func operator(e Expr) string {
	switch e.(type) {
	case *Union:
		return "+"
	case *Intersection:
		return "&"
	case *Exclusion:
		return "-"
	}
	return ""
}

// parenthesized writes e with parentheses around every operand that is an operator,
// and cuts what is too long to read.
func parenthesized(e Expr) string {
	const most = 120
	var parts []string
	n := 0
	for _, c := range childrenOf(e) {
		if n > most {
			parts = append(parts, "...")
			break
		}
		text := parenthesized(c)
		if operator(c) != "" {
			text = "(" + text + ")"
		}
		parts = append(parts, text)
		n += len(text)
	}
	if parts == nil {
		return printExpr(e)
	}
	return strings.Join(parts, " "+operator(e)+" ")
}

// arrowWarnings looks at where an arrow leads.
func (v *validator) arrowWarnings(rel *relationInfo, a *Arrow) {
	ts := rel.of.rels[a.Tupleset]
	if len(ts.types) == 0 || len(v.warnings) >= maxWarningsFound {
		return
	}
	found := v.arrowTargets(ts, a.Target)
	if len(found.targets) == 0 {
		v.arrowToNowhere(rel, a, ts)
		return
	}
	if rel.Pos == (Pos{}) {
		return
	}
	if r := found.relation; r != nil {
		v.warn(rel, warnArrowToRelation, a.TargetPos, "%s leads to a relation, %s#%s; behind a permission it could change without changing this one",
			a, r.of.def.Name, r.Name)
	}
	v.arrowSkips(rel, a, ts, found)
	if t := ts.userset; t != nil {
		v.warn(rel, warnArrowOverUserset, a.Pos, "%s accepts %s#%s, but an arrow goes by the object alone: %s asks the %s, whatever stands behind the #",
			a.Tupleset, t.Type, t.Relation, a, t.Type)
	}
}

func (v *validator) arrowToNowhere(rel *relationInfo, a *Arrow, ts *relationInfo) {
	if isSilenced(rel.Doc, warnArrowUnreachable) {
		return
	}
	names := targetNames(ts)
	slices.Sort(names)
	hint := hintFor(a.Target, names)
	if hint != "" {
		hint = "; " + hint
	}
	v.warn(rel, warnArrowUnreachable, a.TargetPos, "%q is no relation or permission of any type of %s: the arrow grants nobody%s", a.Target, a.Tupleset, hint)
}

// arrowSkips finds types with relations of their own that lack the target. A
// type without any is there to be a subject.
func (v *validator) arrowSkips(rel *relationInfo, a *Arrow, ts *relationInfo, found *arrowInfo) {
	if len(found.targets) == len(ts.types) || len(ts.types) > maxTypesSkipped {
		return
	}
	var skipped []string
	for name, info := range ts.types {
		if info.rels[a.Target] == nil && len(info.rels) > 0 {
			skipped = append(skipped, name)
		}
	}
	if len(skipped) > 0 {
		slices.Sort(skipped)
		v.warn(rel, warnArrowSkipsTypes, a.TargetPos, "%s of type %s has no %q: the arrow grants nobody there", a.Tupleset, nameList(skipped), a.Target)
	}
}

func targetNames(ts *relationInfo) []string {
	names := map[string]bool{}
	for _, info := range ts.types {
		for name := range info.rels {
			names[name] = true
		}
	}
	return slices.Collect(maps.Keys(names))
}

// typesWarnings looks at the annotation of a permission.
func (v *validator) typesWarnings(rel *relationInfo) {
	switch {
	case rel.Expected == nil:
	case !v.flags["typechecking"]:
		v.warn(rel, warnTypesIgnored, rel.Expected[0].Pos, `without "use typechecking" nobody checks that these are its types`)
	default:
		for _, t := range rel.Expected {
			if !slices.Contains(v.reached[rel.loop], t.Name) {
				v.warn(rel, warnTypeNotReached, t.Pos, "nothing in the expression leads to %s", t.Name)
			}
		}
	}
}

func (v *validator) partialWarnings() {
	for _, p := range v.schema.Partials {
		if !v.spread[p] && !isSilenced(p.Doc, warnUnusedPartial) {
			v.warnings = append(v.warnings, Warning{warnUnusedPartial, "", p.Name, p.Pos, "nothing includes this partial, and nobody checks what it holds"})
		}
	}
}

func (v *validator) caveatWarnings() {
	for _, c := range v.schema.Caveats {
		for _, p := range v.unused[c] {
			if p.Pos != (Pos{}) && !isSilenced(c.Doc, warnUnusedParameter) {
				v.warnings = append(v.warnings, Warning{warnUnusedParameter, "", c.Name, p.Pos, fmt.Sprintf("the expression does not use %q", p.Name)})
			}
		}
	}
}
