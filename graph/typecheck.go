package graph

import (
	"maps"
	"slices"
	"strings"
)

// maxTypeSteps bounds the work of finding out what permissions lead to.
const maxTypeSteps = 1 << 22

// expectedNames checks the types in the annotation of a permission. Without
// "use typechecking" they mean nothing, as in SpiceDB.
func (v *validator) expectedNames(rel *relationInfo) {
	if !v.flags["typechecking"] {
		return
	}
	seen := map[string]bool{}
	for _, t := range rel.Expected {
		if v.defs[t.Name] == nil {
			v.report(errorAt(t.Pos, t.Name, "no such type"), keysOf(v.defs))
		} else if seen[t.Name] {
			v.report(errorAt(t.Pos, t.Name, "this type stands here twice"), nil)
		}
		seen[t.Name] = true
	}
}

// expectedTypes reports annotated permissions that lead to types that they do
// not name. As published for SpiceDB ("Typechecking" in its schema reference),
// every operand counts, those of intersections and right of "-" too, and only
// what stands at the end of the way: for group#member what members can be.
// Beyond it, "self" counts as the type that it stands in.
func (v *validator) expectedTypes() {
	annotated := func(rel *relationInfo) bool { return rel.Expected != nil }
	if !v.flags["typechecking"] || !slices.ContainsFunc(v.rels, annotated) {
		return
	}
	if v.reached = v.reachedTypes(); v.reached == nil {
		v.report(errorAt(v.schema.Uses[0].Pos, "typechecking", "this schema leads to too many types to check them"), nil)
		return
	}
	for _, rel := range v.rels {
		if !annotated(rel) {
			continue
		}
		var missing []string
		for _, t := range v.reached[rel.loop] {
			if !rel.expects(t) {
				missing = append(missing, t)
			}
		}
		if len(missing) > 0 {
			v.report(v.leavesOut(rel, missing), nil)
		}
	}
}

func (rel *relationInfo) expects(typ string) bool {
	return slices.ContainsFunc(rel.Expected, func(t TypeName) bool { return t.Name == typ })
}

// leavesOut says which types an annotation leaves out, and by way of what the
// first of them is reached.
func (v *validator) leavesOut(rel *relationInfo, missing []string) *SchemaError {
	var names []string
	for _, t := range rel.Expected {
		names = append(names, t.Name)
	}
	way := ""
	for _, e := range operands(rel.Rewrite) {
		if slices.Contains(v.typesOf(rel, e), missing[0]) {
			way = " by way of " + printExpr(e)
			break
		}
	}
	err := errorAt(rel.Pos, rel.Name, "in %s: the expression reaches %s%s; its types are said to be %s",
		rel.of.def.Name, nameList(missing), way, nameList(names))
	err.Hint = "name " + nameList(missing) + " too, or narrow the expression"
	return err
}

// operands returns the leaves of e in the order written.
func operands(e Expr) []Expr {
	var out []Expr
	switch e := e.(type) {
	case nil:
	case *Union:
		for _, c := range e.Children {
			out = append(out, operands(c)...)
		}
	case *Intersection:
		for _, c := range e.Children {
			out = append(out, operands(c)...)
		}
	case *Exclusion:
		out = append(operands(e.Base), operands(e.Minus)...)
	default:
		out = []Expr{e}
	}
	return out
}

// typesOf returns what an operand of rel leads to.
func (v *validator) typesOf(rel *relationInfo, e Expr) []string {
	switch e := e.(type) {
	case *Ref:
		return v.reached[rel.of.rels[e.Name].loop]
	case *Arrow:
		return v.reached[v.arrowTargets(rel.of.rels[e.Tupleset], e.Target).loop]
	case *Self:
		return []string{rel.of.def.Name}
	}
	return nil
}

// reachedTypes returns the types that each loop leads to, sorted; nil if that
// is too much work. Nodes of one loop lead to the same.
func (v *validator) reachedTypes() [][]string {
	loops := 0
	for _, rel := range v.rels {
		loops = max(loops, rel.loop)
	}
	own, edges := make([][]string, loops+1), make([][]edge, loops+1)
	for _, rel := range v.rels {
		own[rel.loop] = append(own[rel.loop], rel.endTypes()...)
		edges[rel.loop] = append(edges[rel.loop], rel.edges...)
	}
	for _, a := range v.arrows {
		if a.loop > 0 {
			edges[a.loop] = append(edges[a.loop], a.edges...)
		}
	}
	// A loop has a higher number than those that it leads to.
	reached := make([][]string, loops+1)
	for loop, steps := 1, 0; loop <= loops; loop++ {
		set, seen := map[string]bool{}, map[int]bool{loop: true}
		for _, t := range own[loop] {
			set[t] = true
		}
		for _, e := range edges[loop] {
			if seen[e.to.loop] {
				continue
			}
			seen[e.to.loop] = true
			for _, t := range reached[e.to.loop] {
				set[t] = true
			}
			if steps += len(reached[e.to.loop]); steps > maxTypeSteps {
				return nil
			}
		}
		reached[loop] = slices.Sorted(maps.Keys(set))
	}
	return reached
}

// endTypes returns the types whose objects rel grants without a further step.
func (rel *relationInfo) endTypes() []string {
	var types []string
	for _, t := range rel.Types {
		if t.Relation == "" {
			types = append(types, t.Type)
		}
	}
	for _, e := range operands(rel.Rewrite) {
		if _, ok := e.(*Self); ok {
			types = append(types, rel.of.def.Name)
		}
	}
	return types
}

// nameList writes names as "a", "a and b" or "a, b and c", and no more than ten.
func nameList(names []string) string {
	const most = 10
	if len(names) > most {
		names = append(slices.Clone(names[:most]), "others")
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
