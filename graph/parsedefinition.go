package graph

func (p *parser) definition() {
	p.advance()
	d := &Definition{}
	d.Name, d.Pos = p.name("a definition")
	d.Doc, d.Members, d.Trailing = p.members()
	p.schema.Definitions = append(p.schema.Definitions, d)
	p.schema.Order = append(p.schema.Order, d)
}

func (p *parser) partial() {
	if !p.usesPartials() {
		return
	}
	p.advance()
	d := &Partial{}
	d.Name, d.Pos = p.name("a partial")
	d.Doc, d.Members, d.Trailing = p.members()
	p.schema.Partials = append(p.schema.Partials, d)
	p.schema.Order = append(p.schema.Order, d)
}

func (p *parser) usesPartials() bool {
	if !p.flags["partial"] {
		p.fail(errorAt(p.tok.pos, p.tok.text, `partials need "use partial" at the top of the schema`))
	}
	return p.flags["partial"]
}

// members reads what stands in braces, with the comments before and at its end.
func (p *parser) members() (doc []string, all []Member, trailing []string) {
	p.expect("{")
	doc = p.takeDoc()
	for p.tok.kind != tokenEOF && !p.is("}") {
		if p.accept(";") {
			continue
		}
		all = append(all, p.member())
	}
	p.expect("}")
	return doc, all, p.takeDoc()
}

func (p *parser) member() Member {
	if p.is("...") {
		return Member{Spread: p.spread()}
	}
	r := &Relation{}
	switch {
	case p.accept("relation"):
		r.Name, r.Pos = p.name("a relation")
		p.relationTypes(r)
	case p.accept("permission"):
		r.Name, r.Pos = p.name("a permission")
		p.permission(r)
	default:
		hint := hintFor(p.tok.text, []string{"relation", "permission"})
		p.unexpected(`"relation", "permission" or "}"`)
		p.err.Hint = hint
		return Member{}
	}
	p.endStatement()
	r.Doc = p.takeDoc()
	return Member{Relation: r}
}

func (p *parser) spread() *Spread {
	if !p.usesPartials() {
		return nil
	}
	p.advance()
	s := &Spread{}
	s.Partial, s.Pos = p.name("a partial")
	p.endStatement()
	s.Doc = p.takeDoc()
	return s
}

// permission reads what follows the name: perhaps the types that the permission
// leads to, and the expression.
func (p *parser) permission(r *Relation) {
	if p.accept(":") {
		r.Expected = append(r.Expected, p.expectedType())
		for p.accept("|") {
			r.Expected = append(r.Expected, p.expectedType())
		}
	}
	if !p.is("=") && r.Expected != nil && p.tok.kind != tokenEOF {
		p.fail(errorAt(p.tok.pos, p.tok.text, `want "|" and another type, or "=" and the expression that makes up permission %s`, r.Name))
		return
	}
	p.expect("=")
	r.Rewrite = p.exclusion()
	setGrouped(r.Rewrite, false)
}

func (p *parser) expectedType() TypeName {
	t := TypeName{}
	t.Name, t.Pos = p.name("a type")
	if p.is("#") || p.is(":") || p.is("with") {
		p.fail(errorAt(p.tok.pos, p.tok.text, `what a permission leads to is told by types alone, as in "permission view: user | group"`))
	}
	return t
}

func (p *parser) relationTypes(r *Relation) {
	if p.is("=") {
		p.fail(errorAt(p.tok.pos, "=", `a relation has types, as in "relation %s: user"; what is computed is a permission`, r.Name))
		return
	}
	p.expect(":")
	for {
		r.Types = append(r.Types, p.typeRestriction())
		if !p.accept("|") {
			return
		}
	}
}

func (p *parser) typeRestriction() TypeRestriction {
	t := TypeRestriction{}
	t.Type, t.Pos = p.name("a type")
	switch {
	case p.accept(":"):
		p.expect("*")
		t.Wildcard = true
		if p.is("#") {
			p.fail(errorAt(p.tok.pos, "#", "a wildcard has no relation"))
		}
	case p.accept("#"):
		if !p.accept("...") { // "user#..." is an old way to write "user"
			t.Relation, t.RelationPos = p.name("a relation")
		}
	}
	if p.accept("with") {
		p.traits(&t)
	}
	return t
}

// traits reads what follows "with": a caveat, an expiration, or both in this
// order. Without "use expiration" the word can name a caveat.
func (p *parser) traits(t *TypeRestriction) {
	if p.flags["expiration"] && p.accept("expiration") {
		t.Expiration = true
		if p.is("and") {
			p.fail(errorAt(p.tok.pos, "and", `the caveat comes first, as in "with a_caveat and expiration"`))
		}
		return
	}
	t.Caveat, t.CaveatPos = p.name("a caveat")
	if p.accept("and") {
		p.expect("expiration")
		t.Expiration = true
	}
}
