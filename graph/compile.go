package graph

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/store"
)

// Bounds, so that a large schema compiles to a graph of its size in bounded time.
const (
	mostInlined  = 64      // programs inlined into one union
	mostIncluded = 64      // programs that one is known to include
	mostCovers   = 1 << 12 // steps spent on finding covered arrows of one union
	mostHops     = 1 << 20 // different arrows times the types that they go over
	mostOver     = 1 << 23 // arrows times the types, each as often as it stands in a union
	mostTerms    = 1 << 22 // terms of all unions, from which on nothing more is inlined
)

// Compile turns a validated schema into a graph over y's symbols. It interns
// the schema's names and shapes.
func Compile(s *Schema, y *store.Symbols) (*Graph, error) {
	c := &compiler{
		g: &Graph{
			id: graphCount.Add(1), schema: s, syms: y,
			typeIndex: map[string]int32{}, caveats: map[string]*CompiledCaveat{},
		},
		arrows: map[arrowID]span{},
		shared: map[sharedRewrite]int32{},
	}
	c.g.depends.Store(&map[dependsKey]dependsOn{})
	c.g.backward.Store(&map[int32]*backward{})
	if err := c.declare(); err != nil {
		return nil, err
	}
	for p := range c.g.programs {
		if err := c.declareShapes(int32(p)); err != nil {
			return nil, err
		}
	}
	c.stored = make([]storedTerms, len(c.g.programs))
	c.inlined, c.inclusion = make([]int32, len(c.g.programs)), make([][]int32, len(c.g.programs))
	for p := range c.g.programs {
		if err := c.body(int32(p)); err != nil {
			return nil, err
		}
	}
	users := c.g.users()
	c.g.computeReach(users)
	c.g.computeMasks()
	c.g.computeWeights()
	c.g.computeLoops()
	c.g.indexNames()
	c.g.numberKinds()
	c.g.findFamilies()
	c.g.findSearches(users)
	c.g.findOrderings()
	return c.g, nil
}

type compiler struct {
	g      *Graph
	arrows map[arrowID]span
	shared map[sharedRewrite]int32

	stored  []storedTerms // by program
	inlined []int32       // by program: the round in which it was inlined last
	round   int32         // the program that is being compiled, from 1
	inlines int           // programs inlined into it, itself too

	over int // types that arrows go over, so far

	// By program, where somebody has asked: those that it includes by unions alone.
	inclusion [][]int32

	terms  []int32 // scratch: of the program that is being compiled
	termOf []int32 // by rewrite: the last union that it is a term of, from 1
	unions int32   // so far
}

type arrowID struct {
	tupleset int32
	target   string
}

func (c *compiler) declare() error {
	g := c.g
	for _, cav := range g.schema.Caveats {
		compiled, err := CompileCaveat(cav)
		if err != nil {
			return fmt.Errorf("compile caveat %s: %w", cav.Name, err)
		}
		g.caveats[cav.Name] = compiled
	}
	for i, d := range g.schema.Definitions {
		g.typeIndex[d.Name] = int32(i)
		t := typeInfo{name: d.Name, sym: g.syms.Intern(d.Name), relations: map[string]int32{}}
		for _, r := range d.Relations {
			t.relations[r.Name] = int32(len(g.programs))
			g.programs = append(g.programs, program{typ: int32(i), name: r.Name, source: r})
		}
		g.types = append(g.types, t)
	}
	return nil
}

// declareShapes makes the shapes that relation p stores: plain, wildcard, userset.
func (c *compiler) declareShapes(p int32) error {
	g, r := c.g, c.g.programs[p].source
	var shapes []shape
	for _, t := range r.Types {
		sh, err := c.shape(p, t)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(shapes, func(s shape) bool { return s.id == sh.id })
		if i < 0 {
			i = len(shapes)
			shapes = append(shapes, sh)
		}
		if err := c.allow(&shapes[i], t); err != nil {
			return err
		}
	}
	slices.SortStableFunc(shapes, func(a, b shape) int { return cmp.Compare(a.form, b.form) })
	g.programs[p].shapes = span{int32(len(g.shapes)), int32(len(g.shapes) + len(shapes))}
	g.shapes = append(g.shapes, shapes...)
	return nil
}

func (c *compiler) shape(p int32, t TypeRestriction) (shape, error) {
	g := c.g
	typ, ok := g.typeIndex[t.Type]
	if !ok {
		return shape{}, fmt.Errorf("compile %s: no type %q", c.name(p), t.Type)
	}
	sh := shape{typ: typ, program: -1}
	key := store.Shape{Type: g.types[g.programs[p].typ].sym, Relation: g.syms.Intern(g.programs[p].name), SubjectType: g.types[typ].sym}
	switch {
	case t.Wildcard:
		sh.form, key.SubjectRelation = wildcard, store.SymWildcard
		g.types[typ].wildcards = true
	case t.Relation != "":
		behind, ok := g.types[typ].relations[t.Relation]
		if !ok {
			return shape{}, fmt.Errorf("compile %s: no relation %s#%s", c.name(p), t.Type, t.Relation)
		}
		sh.form, sh.program, key.SubjectRelation = userset, behind, g.syms.Intern(t.Relation)
	}
	sh.id = g.syms.InternShape(key)
	return sh, nil
}

// allow adds t's traits to those that tuples of s may have.
func (c *compiler) allow(s *shape, t TypeRestriction) error {
	switch {
	case t.Caveat != "":
		compiled := c.g.caveats[t.Caveat]
		if compiled == nil {
			return fmt.Errorf("compile type restriction %s: no caveat %q", t.Type, t.Caveat)
		}
		s.caveats = append(s.caveats, trait{c.g.syms.Intern(t.Caveat), t.Expiration, compiled, t.Caveat})
	case t.Expiration:
		s.lasting = true
	default:
		s.bare = true
	}
	return nil
}

func (c *compiler) name(p int32) string {
	pr := &c.g.programs[p]
	return c.g.types[pr.typ].name + "#" + pr.name
}

// relation returns the program of a relation of p's type.
func (c *compiler) relation(p int32, name string) (int32, error) {
	q, ok := c.g.types[c.g.programs[p].typ].relations[name]
	if !ok {
		return 0, fmt.Errorf("compile %s: no relation or permission %q", c.name(p), name)
	}
	return q, nil
}

// body compiles the rewrite of p.
func (c *compiler) body(p int32) error {
	from := int32(len(c.g.rewrites))
	c.round = p + 1
	c.inlined[p], c.inlines = c.round, 1
	terms, err := c.definition(c.terms[:0], p, true)
	if err != nil {
		return err
	}
	c.terms = terms
	pr := &c.g.programs[p]
	pr.body = c.union(terms)
	pr.rewrites = span{from, int32(len(c.g.rewrites))}
	pr.leaf = c.leaf(pr.body)
	return nil
}

// leaf reports whether a rewrite reads nothing but a few tuples of its object.
func (c *compiler) leaf(i int32) bool {
	r := c.g.rewrites[i]
	switch r.op {
	case opUnion, opIntersection:
		return !slices.ContainsFunc(c.g.kids[r.from:r.to], func(k int32) bool { return !c.leaf(k) })
	case opExclusion:
		return c.leaf(r.from) && c.leaf(r.to)
	}
	return r.op <= opProbe
}

func (c *compiler) add(r rewrite) int32 {
	c.g.rewrites = append(c.g.rewrites, r)
	return int32(len(c.g.rewrites) - 1)
}

// sharedRewrite is a rewrite that means the same wherever it stands: of a large
// schema with few relations most are.
type sharedRewrite struct {
	rewrite
	within int32 // only in the program of this round; 0 = everywhere
}

// share returns a rewrite that may have been added before.
func (c *compiler) share(r rewrite, within int32) int32 {
	key := sharedRewrite{r, within}
	i, known := c.shared[key]
	if !known {
		i = c.add(r)
		c.shared[key] = i
	}
	return i
}

// group adds a union or an intersection of children, the cheap ones first.
func (c *compiler) group(op opcode, children []int32) int32 {
	g := c.g
	from := int32(len(g.kids))
	for cost := opNil; cost <= opAll; cost++ {
		for _, i := range children {
			if g.rewrites[i].op == cost {
				g.kids = append(g.kids, i)
			}
		}
	}
	return c.add(rewrite{op, span{from, int32(len(g.kids))}})
}

// expr compiles e, which stands in program p, as a rewrite of its own.
func (c *compiler) expr(p int32, e Expr) (int32, error) {
	terms, err := c.flatten(nil, p, e, false)
	if err != nil {
		return 0, err
	}
	return c.union(terms), nil
}

func (c *compiler) intersection(p int32, e *Intersection) (int32, error) {
	var children []int32
	for _, child := range e.Children {
		i, err := c.expr(p, child)
		if err != nil {
			return 0, err
		}
		children = append(children, i)
	}
	return c.group(opIntersection, children), nil
}

func (c *compiler) exclusion(p int32, e *Exclusion) (int32, error) {
	base, err := c.expr(p, e.Base)
	if err != nil {
		return 0, err
	}
	minus, err := c.expr(p, e.Minus)
	if err != nil {
		return 0, err
	}
	return c.add(rewrite{opExclusion, span{base, minus}}), nil
}

// arrow compiles an arrow of p's type. Equal arrows share their hops.
func (c *compiler) arrow(p int32, e *Arrow) (int32, error) {
	g, op, within := c.g, opArrow, int32(0)
	if e.All {
		op, within = opAll, c.round // see computeLoops
	}
	ts, err := c.relation(p, e.Tupleset)
	if err != nil {
		return 0, err
	}
	id := arrowID{ts, e.Target}
	hops, done := c.arrows[id]
	if !done {
		hops.from = int32(len(g.hops))
		for i := g.programs[ts].shapes.from; i < g.programs[ts].shapes.to; i++ {
			if g.shapes[i].form == wildcard {
				continue
			}
			target, ok := g.types[g.shapes[i].typ].relations[e.Target]
			if !ok {
				target = -1
			}
			g.hops = append(g.hops, hop{i, target})
		}
		hops.to = int32(len(g.hops))
		c.arrows[id] = hops
	}
	if c.over += int(hops.to - hops.from); len(g.hops) > mostHops || c.over > mostOver {
		return 0, SchemaErrors{errorAt(e.Pos, e.Tupleset, "the arrows up to this one go over too many types, more than %d together", mostHops)}
	}
	return c.share(rewrite{op, hops}, within), nil
}
