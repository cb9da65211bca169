package graph

import "slices"

// terms compiles the body of p to the terms of one union. seen holds the
// programs that the union contains already: adding one twice changes nothing,
// and a program that contains itself through unions alone gains nothing by it.
func (c *compiler) terms(p int32, seen map[int32]bool) ([]rewrite, error) {
	if r := c.g.programs[p].source; r.Rewrite != nil {
		return c.flatten(p, r.Rewrite, seen)
	}
	return c.direct(p), nil
}

// direct returns the terms that stand for the tuples of p.
func (c *compiler) direct(p int32) []rewrite {
	g := c.g
	all := g.programs[p].shapes
	middle := all.from
	for middle < all.to && g.shapes[middle].form != userset {
		middle++
	}
	var terms []rewrite
	if all.from < middle {
		terms = append(terms, rewrite{opProbe, span{all.from, middle}})
	}
	if middle < all.to {
		terms = append(terms, rewrite{opMembers, span{middle, all.to}})
	}
	return terms
}

// flatten compiles e, which stands in p, to the terms of a union. Under an
// intersection or exclusion seen is nil: only stored relations are inlined
// there, so that recursion always passes through a call.
func (c *compiler) flatten(p int32, e Expr, seen map[int32]bool) ([]rewrite, error) {
	one := func(r rewrite, err error) ([]rewrite, error) { return []rewrite{r}, err }
	switch e := e.(type) {
	case *Ref:
		return c.inline(p, e, seen)
	case *This:
		return c.direct(p), nil
	case *Self:
		return one(rewrite{opSelf, span{c.g.programs[p].typ, 0}}, nil)
	case *Arrow:
		return one(c.arrow(p, e))
	case *Intersection:
		return one(c.intersection(p, e))
	case *Exclusion:
		return one(c.exclusion(p, e))
	case *Union:
		var terms []rewrite
		for _, child := range e.Children {
			more, err := c.flatten(p, child, seen)
			if err != nil {
				return nil, err
			}
			terms = append(terms, more...)
		}
		return terms, nil
	}
	return nil, nil // *Nil grants nobody
}

// inline replaces a reference to a union by its terms; a reference to
// something else is a call, whose answer is shared by all that refer to it.
func (c *compiler) inline(p int32, e *Ref, seen map[int32]bool) ([]rewrite, error) {
	q, err := c.relation(p, e.Name)
	if err != nil || seen[q] {
		return nil, err
	}
	stored := c.g.programs[q].source.Rewrite == nil
	if !stored && (seen == nil || !c.isUnion(q) || len(seen) >= mostInlined) {
		return []rewrite{{opCall, span{q, 0}}}, nil
	}
	if seen != nil {
		seen[q] = true
	}
	terms, err := c.terms(q, seen)
	return append(terms, rewrite{opMember, span{q, 0}}), err
}

// isUnion reports whether the body of q is a union, perhaps of one term.
func (c *compiler) isUnion(q int32) bool {
	switch c.g.programs[q].source.Rewrite.(type) {
	case *Intersection, *Exclusion:
		return false
	}
	return true
}

// included returns the programs that p includes through unions alone, itself
// among them: whoever one of them grants, p grants too. Past the bound some
// are left out.
func (c *compiler) included(p int32) []int32 {
	found := []int32{p}
	for i := 0; i < len(found); i++ {
		if q := found[i]; c.isUnion(q) {
			c.addRefs(q, c.g.programs[q].source.Rewrite, &found)
		}
	}
	return found
}

func (c *compiler) addRefs(p int32, e Expr, found *[]int32) {
	switch e := e.(type) {
	case *Ref:
		q, err := c.relation(p, e.Name)
		if err == nil && len(*found) < mostIncluded && !slices.Contains(*found, q) {
			*found = append(*found, q)
		}
	case *Union:
		for _, child := range e.Children {
			c.addRefs(p, child, found)
		}
	}
}

// union makes one rewrite of the terms, without those that others cover.
func (c *compiler) union(terms []rewrite) int32 {
	var kept []rewrite
	for _, t := range terms {
		if !slices.Contains(kept, t) {
			kept = append(kept, t)
		}
	}
	for i := 0; i < len(kept); {
		if c.isCovered(i, kept) {
			kept = slices.Delete(kept, i, i+1)
		} else {
			i++
		}
	}
	switch len(kept) {
	case 0:
		return c.add(rewrite{op: opNil})
	case 1:
		return c.add(kept[0])
	}
	children := make([]int32, len(kept))
	for i, t := range kept {
		children[i] = c.add(t)
	}
	return c.add(c.group(opUnion, children))
}

// isCovered reports whether another arrow over the same tupleset includes the
// arrow terms[i]: parent->view includes parent->edit where view includes edit.
func (c *compiler) isCovered(i int, terms []rewrite) bool {
	if hops := int(terms[i].to - terms[i].from); terms[i].op != opArrow || hops*len(terms)*len(terms) > mostCovers {
		return false
	}
	for j, t := range terms {
		if j != i && t.op == opArrow && c.covers(t.span, terms[i].span) {
			return true
		}
	}
	return false
}

func (c *compiler) covers(wide, narrow span) bool {
	w, n := c.g.hops[wide.from:wide.to], c.g.hops[narrow.from:narrow.to]
	if len(w) != len(n) {
		return false
	}
	for i := range w {
		if w[i].shape != n[i].shape {
			return false
		}
		if n[i].target >= 0 && (w[i].target < 0 || !slices.Contains(c.inclusion[w[i].target], n[i].target)) {
			return false
		}
	}
	return true
}
