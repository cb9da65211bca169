package graph

import "slices"

// definition appends the terms of the union that p is to terms. Within inUnion,
// programs that the union contains already are left out: adding one twice
// changes nothing, and a program that contains itself through unions alone gains
// nothing by it.
func (c *compiler) definition(terms []int32, p int32, inUnion bool) ([]int32, error) {
	if r := c.g.programs[p].source; r.Rewrite != nil {
		return c.flatten(terms, p, r.Rewrite, inUnion)
	}
	return c.direct(terms, p), nil
}

// storedTerms are the terms that stand for the tuples of a program, and for its
// own usersets: rewrites plus one, 0 = none.
type storedTerms struct {
	done                   bool
	probe, members, member int32
}

// direct appends the terms that stand for the tuples of p.
func (c *compiler) direct(terms []int32, p int32) []int32 {
	t := c.storedOf(p)
	if t.probe > 0 {
		terms = append(terms, t.probe-1)
	}
	if t.members > 0 {
		terms = append(terms, t.members-1)
	}
	return terms
}

func (c *compiler) storedOf(p int32) *storedTerms {
	g, t := c.g, &c.stored[p]
	if t.done {
		return t
	}
	t.done = true
	all := g.programs[p].shapes
	middle := all.from
	for middle < all.to && g.shapes[middle].form != userset {
		middle++
	}
	if all.from < middle {
		t.probe = c.add(rewrite{opProbe, span{all.from, middle}}) + 1
	}
	if middle < all.to {
		t.members = c.add(rewrite{opMembers, span{middle, all.to}}) + 1
	}
	t.member = c.add(rewrite{opMember, span{p, 0}}) + 1
	return t
}

// flatten appends the terms of a union that e, which stands in p, comes down to.
// Under an intersection or exclusion, where inUnion is false, only stored
// relations are inlined, so that recursion always passes through a call.
func (c *compiler) flatten(terms []int32, p int32, e Expr, inUnion bool) ([]int32, error) {
	var i int32
	var err error
	switch e := e.(type) {
	case *Ref:
		return c.inline(terms, p, e, inUnion)
	case *This:
		return c.direct(terms, p), nil
	case *Union:
		for _, child := range e.Children {
			if terms, err = c.flatten(terms, p, child, inUnion); err != nil {
				return nil, err
			}
		}
		return terms, nil
	case *Self:
		i = c.share(rewrite{opSelf, span{c.g.programs[p].typ, 0}}, 0)
	case *Arrow:
		i, err = c.arrow(p, e)
	case *Intersection:
		i, err = c.intersection(p, e)
	case *Exclusion:
		i, err = c.exclusion(p, e)
	default:
		return terms, nil // *Nil grants nobody
	}
	return append(terms, i), err
}

// inline replaces a reference to a union by its terms; a reference to
// something else is a call, whose answer is shared by all that refer to it.
func (c *compiler) inline(terms []int32, p int32, e *Ref, inUnion bool) ([]int32, error) {
	q, err := c.relation(p, e.Name)
	if err != nil || inUnion && c.inlined[q] == c.round {
		return terms, err
	}
	stored := c.g.programs[q].source.Rewrite == nil
	full := c.inlines >= mostInlined || len(c.g.kids)+len(terms) >= mostTerms
	if !stored && (!inUnion || !c.isUnion(q) || full) {
		return append(terms, c.share(rewrite{opCall, span{q, 0}}, 0)), nil
	}
	if inUnion {
		c.inlined[q] = c.round
		c.inlines++
	}
	if terms, err = c.definition(terms, q, inUnion); err != nil {
		return nil, err
	}
	return append(terms, c.storedOf(q).member-1), nil
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
	if found := c.inclusion[p]; found != nil {
		return found
	}
	found := []int32{p}
	for i := 0; i < len(found); i++ {
		if q := found[i]; c.isUnion(q) {
			c.addRefs(q, c.g.programs[q].source.Rewrite, &found)
		}
	}
	c.inclusion[p] = found
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

// union makes one rewrite of the terms, without those that others cover. It
// changes the slice.
func (c *compiler) union(terms []int32) int32 {
	c.unions++
	c.termOf = append(c.termOf, make([]int32, len(c.g.rewrites)-len(c.termOf))...)
	kept, arrows := terms[:0], 0
	for _, i := range terms {
		if c.termOf[i] == c.unions {
			continue
		}
		c.termOf[i] = c.unions
		kept = append(kept, i)
		if c.g.rewrites[i].op == opArrow {
			arrows++
		}
	}
	if arrows > 1 {
		kept = c.withoutCovered(kept, arrows)
	}
	switch len(kept) {
	case 0:
		return c.share(rewrite{op: opNil}, 0)
	case 1:
		return kept[0]
	}
	return c.group(opUnion, kept)
}

// withoutCovered drops arrows that are included in another arrow over the same
// tupleset: parent->view includes parent->edit where view includes edit. There
// are so many arrows among the terms.
func (c *compiler) withoutCovered(terms []int32, arrows int) []int32 {
	for i := 0; i < len(terms); {
		r := c.g.rewrites[terms[i]]
		if r.op == opArrow && int(r.to-r.from)*arrows*arrows <= mostCovers && c.isCovered(terms[i], terms) {
			terms = slices.Delete(terms, i, i+1)
		} else {
			i++
		}
	}
	return terms
}

func (c *compiler) isCovered(i int32, terms []int32) bool {
	g := c.g
	return slices.ContainsFunc(terms, func(j int32) bool {
		return j != i && g.rewrites[j].op == opArrow && c.covers(g.rewrites[j].span, g.rewrites[i].span)
	})
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
		if n[i].target >= 0 && (w[i].target < 0 || !slices.Contains(c.included(w[i].target), n[i].target)) {
			return false
		}
	}
	return true
}
