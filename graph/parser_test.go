package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// grouped writes e with all parentheses.
func grouped(e Expr) string {
	join := func(children []Expr, operator string) string {
		parts := make([]string, len(children))
		for i, c := range children {
			parts[i] = grouped(c)
		}
		return "(" + strings.Join(parts, operator) + ")"
	}
	switch e := e.(type) {
	case *Union:
		return join(e.Children, " + ")
	case *Intersection:
		return join(e.Children, " & ")
	case *Exclusion:
		return join([]Expr{e.Base, e.Minus}, " - ")
	}
	return printExpr(e)
}

func TestPrecedence_IsAsPublished(t *testing.T) {
	for _, c := range []struct{ written, grouped, printed string }{
		{"a", "a", "a"},
		{"nil", "nil", "nil"},
		{"a + b + c", "(a + b + c)", "a + b + c"},
		{"a & b & c", "(a & b & c)", "a & b & c"},
		{"a - b - c", "((a - b) - c)", "a - b - c"},
		{"a - (b - c)", "(a - (b - c))", "a - (b - c)"},
		{"a + b & c", "((a + b) & c)", "a + b & c"},
		{"a & b + c", "(a & (b + c))", "a & b + c"},
		{"a + (b & c)", "(a + (b & c))", "a + (b & c)"},
		{"a - b + c", "(a - (b + c))", "a - b + c"},
		{"a + b - c", "((a + b) - c)", "a + b - c"},
		{"a - b & c", "(a - (b & c))", "a - b & c"},
		{"a & b - c", "((a & b) - c)", "a & b - c"},
		{"(a - b) & c", "((a - b) & c)", "(a - b) & c"},
		{"(a - b) + c", "((a - b) + c)", "(a - b) + c"},
		{"a + b & c - d + e & f", "(((a + b) & c) - ((d + e) & f))", "a + b & c - d + e & f"},
		{"a->b + c.all(d) & e.any(f)", "((a->b + c.all(d)) & e.any(f))", "a->b + c.all(d) & e.any(f)"},
		{"(((a)))", "a", "a"},
		{"(a + b) + (c + d)", "(a + b + c + d)", "a + b + c + d"},
		{"a\n  + b\n  - c", "((a + b) - c)", "a + b - c"},
		{"a // why\n + b", "(a + b)", "a + b"},
	} {
		s := mustParse(t, "definition doc { permission p = "+c.written+"\n}")
		e := s.Definitions[0].Relations[0].Rewrite
		if diff := cmp.Diff([]string{c.grouped, c.printed}, []string{grouped(e), printExpr(e)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.written, diff)
		}
	}
}

func TestPositions_CountLinesAndRunes(t *testing.T) {
	s := mustParse(t, "/* ä */ use expiration\r\n\r\n"+
		"/* ä */ definition acme/doc {\r\n\trelation owner: user#member with c and expiration\r\n"+
		"\tpermission p = /* é */ a->b - c\r\n}\r\ncaveat x(/* ü */ a list<int>) {\r\n  a == [1]\r\n}")
	d, c := s.Definitions[0], s.Caveats[0]
	owner, p := d.Relations[0], d.Relations[1].Rewrite.(*Exclusion)
	arrow := p.Base.(*Arrow)
	got := []Pos{s.Uses[0].Pos, d.Pos, owner.Pos, owner.Types[0].Pos, owner.Types[0].RelationPos, owner.Types[0].CaveatPos,
		p.Pos, arrow.Pos, arrow.TargetPos, p.Minus.Position(), c.Pos, c.Params[0].Pos, c.Params[0].Type.Elem.Pos, c.BodyPos}
	want := []Pos{{1, 13}, {3, 20}, {4, 11}, {4, 18}, {4, 23}, {4, 35},
		{5, 30}, {5, 25}, {5, 28}, {5, 32}, {7, 8}, {7, 18}, {7, 25}, {8, 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
}

func TestParse_RefusesWhatIsNotText(t *testing.T) {
	for source, want := range map[string]string{
		"definition a {}\n// \xff":       `line 2, column 4: this byte (0xff) is not UTF-8`,
		strings.Repeat(" ", MaxSource+1): `the schema has 1048577 bytes, at most 1048576 are allowed`,
		"definition a\x00 {}":            `line 1, column 13: "\x00": this character has no meaning in a schema`,
	} {
		if _, err := Parse(source); err == nil || err.Error() != want {
			t.Errorf("Parse(%.20q) = %v, want %s", source, err, want)
		}
	}
}

// Hostile input ends soon: each of these takes milliseconds; work that grows
// with the square of the input would take minutes.
func TestParse_BoundsHostileInput(t *testing.T) {
	sequential(t)
	fill := func(before, s, after string) string {
		return before + strings.Repeat(s, (MaxSource-len(before)-len(after))/len(s)) + after
	}
	for name, source := range map[string]string{
		"parentheses":   fill("definition a { permission p = ", "(", ""),
		"exclusions":    fill("definition a { permission p = p", "-p", "}"),
		"unions":        fill("definition a { permission p = p", "+p", "}"),
		"arrows":        fill("definition a { relation r: a; permission p = p", "+r->p", "}"),
		"types":         fill("definition a { relation r: a", "|a", "}"),
		"elements":      fill("caveat a(x ", "list<", ""),
		"comments":      fill("", "/**/", ""),
		"open comment":  fill("/*", "\n *", ""),
		"directives":    fill("", "use self\n", "definition a {}"),
		"long name":     fill("definition ", "a", " {}"),
		"braces":        fill("caveat a(x int) {", "{", ""),
		"quotes":        fill("caveat a(x int) {", `"" `, "}"),
		"open quote":    fill("caveat a(x int) { '''", "'' ", "}"),
		"unknown names": fill("definition a { permission p = q", "+q", "}"),
		"duplicates":    fill("", "definition a {}", ""),
		"expression":    fill("caveat a(x int) { x == 1", "|| x == 1", "}"),
		"deep calls":    fill("caveat a(x int) {", "(x+", "}"),
		"caveats":       manyDecls("caveat c%d(a int) { a == 1 }\n"),
		"permissions":   "definition a {" + manyDecls("permission p%d = p0 - p1 \n") + "}",
	} {
		s, err := Parse(source)
		if err == nil {
			_, err = Validate(s)
			Print(s)
		}
		var all SchemaErrors
		if err != nil && (!errors.As(err, &all) || len(all) > maxErrors) {
			t.Errorf("%s: %T with %d errors", name, err, len(all))
		}
	}
}

func manyDecls(format string) string {
	var b strings.Builder
	for i := 0; b.Len() < MaxSource-1000; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Many arrows over many types: what one arrow leads to is found once, and from
// the shorter side.
func TestValidate_BoundsArrowsTimesTypes(t *testing.T) {
	const n = 12_000
	var types, arrows, defs strings.Builder
	for i := range n {
		fmt.Fprintf(&types, "t%d|", i)
		fmt.Fprintf(&arrows, "permission a%d=p->x%d;", i, i%2)
		fmt.Fprintf(&defs, "definition t%d{relation x0:d;relation x1:d}", i)
	}
	s := mustParse(t, "definition d{relation p:"+types.String()+"d;"+arrows.String()+"}"+defs.String())
	if _, err := Validate(s); err != nil {
		t.Error(err)
	}
}

func TestPrint_WritesTranslatedSchemasForPeople(t *testing.T) {
	user := &Definition{Name: "user", Doc: []string{"from a model\n*/ definition evil {}"}}
	doc := &Definition{Name: "Doc.v2", Relations: []*Relation{{
		Name: "viewer", Types: []TypeRestriction{{Type: "user"}},
		Rewrite: &Union{Children: []Expr{&This{}, &Ref{Name: "viewer"}}},
	}}}
	s := &Schema{Definitions: []*Definition{user, doc}}
	want := "// from a model\n// */ definition evil {}\ndefinition user {}\n\n" +
		"definition Doc.v2 {\n\trelation viewer: user = _this + viewer\n}\n"
	if diff := cmp.Diff(want, Print(s)); diff != "" {
		t.Errorf("Print (-want +got):\n%s", diff)
	}
	if _, err := Validate(s); err != nil {
		t.Errorf("Validate: %v", err)
	}
}

func TestValidate_ReportsTranslatedSchemasWithoutPositions(t *testing.T) {
	s := &Schema{Definitions: []*Definition{{Name: "a b", Relations: []*Relation{
		{Name: "none"},
		{Name: "p", Rewrite: &This{}},
		{Name: "q", Types: []TypeRestriction{{Type: "a b", Wildcard: true, Relation: "p"}}},
	}}}}
	_, err := Validate(s)
	want := `"a b": not a valid name of a type
"p": a wildcard has no relation
"none": a relation needs a type
"p": a permission has no direct subjects`
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Errorf("Validate (-want +got):\n%s", diff)
	}
}

func TestSchemaErrors_AreFoundByType(t *testing.T) {
	_, err := Parse("definition")
	err = fmt.Errorf("write schema: %w", err)
	var all SchemaErrors
	var one *SchemaError
	if !errors.As(err, &all) || !errors.As(err, &one) || one.Line != 1 {
		t.Errorf("%v holds %v, %v", err, all, one)
	}
}

func TestHint_IsTheClosestName(t *testing.T) {
	names := []string{"editor", "owner", "view", "viewer"}
	for word, want := range map[string]string{
		"viewr": "viewer", "veiwer": "viewer", "edit": "", "ownre": "owner", "x": "", "": "",
		strings.Repeat("v", 100): "",
	} {
		got := hintFor(word, names)
		if want != "" {
			want = fmt.Sprintf("did you mean %q?", want)
		}
		if got != want {
			t.Errorf("hintFor(%q) = %q, want %q", word, got, want)
		}
	}
}
