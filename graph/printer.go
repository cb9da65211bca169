package graph

import (
	"strings"
)

// Print writes s in its canonical form: use directives, then the declarations
// in their order, one blank line between them; members indented by a tab, a
// blank line before one with comments; no parentheses that the precedence
// makes unnecessary. A caveat's expression is written as it stands, only its
// first line is indented anew.
//
// For a schema from Parse, Parse(Print(s)) equals s but for positions, and
// printing that again gives the same text. A schema translated from another
// dialect can hold what the language has no words for (This, a relation with
// types and a rewrite, other names); Print writes it for people to read.
func Print(s *Schema) string {
	p := &printer{}
	for _, u := range s.Uses {
		p.comments("", u.Doc)
		p.line("", "use ", u.Flag)
	}
	for _, d := range declarations(s) {
		p.blank()
		switch d := d.(type) {
		case *Definition:
			p.definition(d)
		case *Caveat:
			p.caveat(d)
		}
	}
	if len(s.Trailing) > 0 {
		p.blank()
		p.comments("", s.Trailing)
	}
	return p.b.String()
}

// declarations returns s.Order, or for a schema that has none the caveats and
// then the definitions.
func declarations(s *Schema) []Decl {
	if len(s.Order) > 0 {
		return s.Order
	}
	var out []Decl
	for _, c := range s.Caveats {
		out = append(out, c)
	}
	for _, d := range s.Definitions {
		out = append(out, d)
	}
	return out
}

type printer struct{ b strings.Builder }

func (p *printer) line(parts ...string) {
	for _, part := range parts {
		p.b.WriteString(part)
	}
	p.b.WriteByte('\n')
}

// blank separates what follows from what is there already.
func (p *printer) blank() {
	if p.b.Len() > 0 {
		p.b.WriteByte('\n')
	}
}

func (p *printer) comments(indent string, doc []string) {
	for _, c := range doc {
		if !isComment(c) {
			c = "// " + strings.ReplaceAll(c, "\n", "\n// ")
		}
		for _, line := range strings.Split(c, "\n") {
			if line == "" {
				p.line()
				continue
			}
			p.line(indent, line)
		}
	}
}

// isComment reports whether c is exactly one comment, so that a translated
// schema's remarks cannot turn into declarations.
func isComment(c string) bool {
	if strings.HasPrefix(c, "//") {
		return !strings.Contains(c, "\n")
	}
	return strings.HasPrefix(c, "/*") && strings.Index(c[2:], "*/") == len(c)-4
}

func (p *printer) definition(d *Definition) {
	p.comments("", d.Doc)
	if len(d.Relations) == 0 && len(d.Trailing) == 0 {
		p.line("definition ", d.Name, " {}")
		return
	}
	p.line("definition ", d.Name, " {")
	for i, r := range d.Relations {
		if i > 0 && len(r.Doc) > 0 {
			p.line()
		}
		p.comments("\t", r.Doc)
		p.relation(r)
	}
	if len(d.Trailing) > 0 && len(d.Relations) > 0 {
		p.line()
	}
	p.comments("\t", d.Trailing)
	p.line("}")
}

func (p *printer) relation(r *Relation) {
	if r.IsPermission() {
		p.line("\tpermission ", r.Name, " = ", printExpr(r.Rewrite))
		return
	}
	types := make([]string, len(r.Types))
	for i, t := range r.Types {
		types[i] = t.String()
	}
	rewrite := ""
	if r.Rewrite != nil {
		rewrite = " = " + printExpr(r.Rewrite)
	}
	p.line("\trelation ", r.Name, ": ", strings.Join(types, " | "), rewrite)
}

// String returns t as it is written in a schema.
func (t TypeRestriction) String() string {
	s := t.Type
	switch {
	case t.Wildcard:
		s += ":*"
	case t.Relation != "":
		s += "#" + t.Relation
	}
	var traits []string
	if t.Caveat != "" {
		traits = append(traits, t.Caveat)
	}
	if t.Expiration {
		traits = append(traits, "expiration")
	}
	if len(traits) > 0 {
		s += " with " + strings.Join(traits, " and ")
	}
	return s
}

func (p *printer) caveat(c *Caveat) {
	p.comments("", c.Doc)
	params := make([]string, len(c.Params))
	for i, param := range c.Params {
		params[i] = param.Name + " " + param.Type.String()
	}
	p.line("caveat ", c.Name, "(", strings.Join(params, ", "), ") {")
	p.line("\t", c.Body)
	p.line("}")
}

// String returns t as it is written in a schema, as "list<string>".
func (t ParamType) String() string {
	if t.Elem == nil {
		return t.Name
	}
	return t.Name + "<" + t.Elem.String() + ">"
}

// How tightly an expression holds together.
const (
	bindExclusion = iota
	bindIntersection
	bindUnion
	bindOperand
)

func printExpr(e Expr) string {
	var b strings.Builder
	writeExpr(&b, e, bindExclusion)
	return b.String()
}

// writeExpr writes e, in parentheses if it binds less tightly than its place
// needs.
func writeExpr(b *strings.Builder, e Expr, need int) {
	if binding(e) < need {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	switch e := e.(type) {
	case *Ref:
		b.WriteString(e.Name)
	case *Arrow:
		b.WriteString(e.String())
	case *Nil:
		b.WriteString("nil")
	case *Self:
		b.WriteString("self")
	case *This:
		b.WriteString("_this")
	case *Union:
		writeOperands(b, e.Children, " + ", bindUnion)
	case *Intersection:
		writeOperands(b, e.Children, " & ", bindIntersection)
	case *Exclusion:
		writeExpr(b, e.Base, bindExclusion)
		b.WriteString(" - ")
		writeExpr(b, e.Minus, bindExclusion+1)
	}
}

func writeOperands(b *strings.Builder, children []Expr, operator string, bind int) {
	for i, c := range children {
		if i > 0 {
			b.WriteString(operator)
		}
		writeExpr(b, c, bind+1)
	}
}

func binding(e Expr) int {
	switch e.(type) {
	case *Exclusion:
		return bindExclusion
	case *Intersection:
		return bindIntersection
	case *Union:
		return bindUnion
	}
	return bindOperand
}

// String returns a as it is written in a schema.
func (a *Arrow) String() string {
	switch {
	case a.All:
		return a.Tupleset + ".all(" + a.Target + ")"
	case a.Any:
		return a.Tupleset + ".any(" + a.Target + ")"
	}
	return a.Tupleset + "->" + a.Target
}
