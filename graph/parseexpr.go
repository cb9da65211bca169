package graph

// Precedence, from loose to tight: exclusion, intersection, union, arrow; equal
// operators group to the left. So it is documented for SpiceDB:
// authzed.com/docs/spicedb/concepts/schema "Union Precedence" ("a + b & c" is
// "(a + b) & c"), authzed/spicedb pull request 2786 ("exclusion binds loosest,
// then intersection, then union") and pkg/schemadsl/parser/tests/associativity
// in authzed/spicedb ("a - b + c" is "a - (b + c)", "a - b - c" is "(a - b) - c").

func (p *parser) exclusion() Expr {
	e := p.intersection()
	for n := exclusionsInRow(e); p.is("-"); n++ {
		pos := p.tok.pos
		if n >= maxDepth {
			p.fail(errorAt(pos, "-", "more than %d exclusions in a row", maxDepth))
			break
		}
		p.advance()
		minus := p.intersection()
		if x, same := e.(*Exclusion); same {
			x.Grouped = false
		}
		if x, same := minus.(*Exclusion); same {
			x.Grouped = false
		}
		e = &Exclusion{Base: e, Minus: minus, Pos: pos}
	}
	return e
}

// exclusionsInRow counts the exclusions that need no parentheses when another
// one follows e.
func exclusionsInRow(e Expr) int {
	n := 0
	for x, ok := e.(*Exclusion); ok; x, ok = x.Base.(*Exclusion) {
		n++
	}
	return n
}

func (p *parser) intersection() Expr {
	first, pos := p.union(), p.tok.pos
	if !p.is("&") {
		return first
	}
	children := flattenIntersection(nil, first)
	for p.accept("&") {
		children = flattenIntersection(children, p.union())
	}
	return &Intersection{Children: children, Pos: pos}
}

func (p *parser) union() Expr {
	first, pos := p.operand(), p.tok.pos
	if !p.is("+") {
		return first
	}
	children := flattenUnion(nil, first)
	for p.accept("+") {
		children = flattenUnion(children, p.operand())
	}
	return &Union{Children: children, Pos: pos}
}

// flattenUnion appends e, or the children of a union in parentheses: union and
// intersection are associative.
func flattenUnion(children []Expr, e Expr) []Expr {
	if u, ok := e.(*Union); ok {
		return append(children, u.Children...)
	}
	return append(children, e)
}

func flattenIntersection(children []Expr, e Expr) []Expr {
	if i, ok := e.(*Intersection); ok {
		return append(children, i.Children...)
	}
	return append(children, e)
}

// setGrouped notes whether e stands in parentheses as an operand of another
// operator.
func setGrouped(e Expr, grouped bool) {
	switch e := e.(type) {
	case *Union:
		e.Grouped = grouped
	case *Intersection:
		e.Grouped = grouped
	case *Exclusion:
		e.Grouped = grouped
	}
}

func (p *parser) operand() Expr {
	pos := p.tok.pos
	switch {
	case p.is("("):
		if p.depth++; p.depth > maxDepth {
			p.fail(errorAt(pos, "(", "parentheses are nested more than %d deep", maxDepth))
			return &Nil{}
		}
		p.advance()
		e := p.exclusion()
		p.expect(")")
		p.depth--
		p.refuseArrow()
		setGrouped(e, true)
		return e
	case p.accept("nil"):
		return &Nil{Pos: pos}
	case p.flags["self"] && p.accept("self"):
		return &Self{Pos: pos}
	}
	name, pos := p.name("a relation or permission")
	return p.arrow(name, pos)
}

// arrow reads what may follow a name: "->target", ".any(target)", ".all(target)".
func (p *parser) arrow(name string, pos Pos) Expr {
	a := &Arrow{Tupleset: name, Pos: pos}
	switch {
	case p.accept("->"):
		a.Target, a.TargetPos = p.name("a relation or permission")
	case p.accept("."):
		a.Any, a.All = p.is("any"), p.is("all")
		if !a.Any && !a.All {
			p.unexpected(`"any" or "all"`)
		}
		p.advance()
		p.expect("(")
		a.Target, a.TargetPos = p.name("a relation or permission")
		p.expect(")")
	default:
		return &Ref{Name: name, Pos: pos}
	}
	p.refuseArrow()
	return a
}

// refuseArrow refuses an arrow whose left side is more than a name.
func (p *parser) refuseArrow() {
	if p.is("->") || p.is(".") {
		p.fail(errorAt(p.tok.pos, p.tok.text, "only a relation can stand left of an arrow; give this part a permission of its own"))
	}
}
