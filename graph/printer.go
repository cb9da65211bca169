package graph

import (
	"strings"
)

// Print writes s in its canonical form: use directives, then the declarations
// in their order, one blank line between them; members indented by a tab, a
// blank line before one with comments; parentheses where the precedence needs
// them, and where they are written around another operator's operand. Partials
// stay partials. A caveat's expression is written as it stands, only its first
// line is indented anew.
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
			p.members("definition", d)
		case *Partial:
			p.members("partial", (*Definition)(d))
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

// declarations returns s.Order, or for a schema that has none the caveats, the
// partials and then the definitions.
func declarations(s *Schema) []Decl {
	if len(s.Order) > 0 {
		return s.Order
	}
	var out []Decl
	for _, c := range s.Caveats {
		out = append(out, c)
	}
	for _, d := range s.Partials {
		out = append(out, d)
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

// members writes a definition or what has the shape of one.
func (p *printer) members(keyword string, d *Definition) {
	p.comments("", d.Doc)
	all := d.written()
	if len(all) == 0 && len(d.Trailing) == 0 {
		p.line(keyword, " ", d.Name, " {}")
		return
	}
	p.line(keyword, " ", d.Name, " {")
	for i, m := range all {
		if i > 0 && len(m.doc()) > 0 {
			p.line()
		}
		p.comments("\t", m.doc())
		if m.Spread != nil {
			p.line("\t...", m.Spread.Partial)
		} else {
			p.relation(m.Relation)
		}
	}
	if len(d.Trailing) > 0 && len(all) > 0 {
		p.line()
	}
	p.comments("\t", d.Trailing)
	p.line("}")
}

// written returns the members of d as they stand in the text.
func (d *Definition) written() []Member {
	if d.Members != nil {
		return d.Members
	}
	all := make([]Member, len(d.Relations))
	for i, r := range d.Relations {
		all[i].Relation = r
	}
	return all
}

func (m Member) doc() []string {
	if m.Spread != nil {
		return m.Spread.Doc
	}
	return m.Relation.Doc
}

func (p *printer) relation(r *Relation) {
	word := "relation "
	if r.IsPermission() {
		word = "permission "
	}
	p.line("\t", word, r.Name, r.body())
}

// body returns what stands behind the name: types and expression.
func (r *Relation) body() string {
	var types []string
	for _, t := range r.Types {
		types = append(types, t.String())
	}
	for _, t := range r.Expected {
		types = append(types, t.Name)
	}
	text := ""
	if len(types) > 0 || !r.IsPermission() {
		text = ": " + strings.Join(types, " | ")
	}
	if r.Rewrite != nil {
		text += " = " + printExpr(r.Rewrite)
	}
	return text
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
	writeExpr(&b, e)
	return b.String()
}

// writeOperand writes e, in parentheses if it has them or binds less tightly
// than its place needs.
func writeOperand(b *strings.Builder, e Expr, need int) {
	if binding(e) >= need && !isGrouped(e) {
		writeExpr(b, e)
		return
	}
	b.WriteByte('(')
	writeExpr(b, e)
	b.WriteByte(')')
}

func isGrouped(e Expr) bool {
	switch e := e.(type) {
	case *Union:
		return e.Grouped
	case *Intersection:
		return e.Grouped
	case *Exclusion:
		return e.Grouped
	}
	return false
}

func writeExpr(b *strings.Builder, e Expr) {
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
		writeOperand(b, e.Base, bindExclusion)
		b.WriteString(" - ")
		writeOperand(b, e.Minus, bindExclusion+1)
	}
}

func writeOperands(b *strings.Builder, children []Expr, operator string, bind int) {
	for i, c := range children {
		if i > 0 {
			b.WriteString(operator)
		}
		writeOperand(b, c, bind+1)
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
