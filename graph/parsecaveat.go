package graph

func (p *parser) caveat() {
	p.advance()
	c := &Caveat{}
	c.Name, c.Pos = p.name("a caveat")
	p.expect("(")
	for !p.is(")") && p.tok.kind != tokenEOF {
		c.Params = append(c.Params, p.param())
		if !p.is(")") {
			p.expect(",")
			if p.is(")") {
				p.unexpected("a parameter")
			}
		}
	}
	p.expect(")")
	p.caveatBody(c)
	c.Doc = p.takeDoc()
	p.schema.Caveats = append(p.schema.Caveats, c)
	p.schema.Order = append(p.schema.Order, c)
}

func (p *parser) param() Param {
	if p.tok.kind != tokenWord {
		p.unexpected("a parameter, as in \"limit int\"")
		return Param{}
	}
	param := Param{Name: p.tok.text, Pos: p.tok.pos}
	p.advance()
	param.Type = p.paramType(1)
	return param
}

func (p *parser) paramType(depth int) ParamType {
	t := ParamType{Name: p.tok.text, Pos: p.tok.pos}
	if p.tok.kind != tokenWord {
		p.unexpected("the parameter's type")
		return t
	}
	if depth > maxDepth {
		p.fail(errorAt(t.Pos, t.Name, "types are nested more than %d deep", maxDepth))
		return t
	}
	p.advance()
	if p.accept("<") {
		elem := p.paramType(depth + 1)
		t.Elem = &elem
		p.expect(">")
	}
	return t
}

// caveatBody takes the text between the braces as it stands. The lexer has
// read no further than the "{", which is the current token.
func (p *parser) caveatBody(c *Caveat) {
	if !p.is("{") {
		p.unexpected(`"{"`)
		return
	}
	body, pos, err := p.lex.caveatBody(p.tok.pos)
	if err != nil {
		p.fail(err)
		return
	}
	if body == "" {
		p.fail(errorAt(c.Pos, c.Name, "the caveat has no expression"))
		return
	}
	c.Body, c.BodyPos = body, pos
	p.advance()
	p.expect("}")
}
