package bench

import (
	"strconv"

	"github.com/pemba-authz/pemba/tuple"
)

const nestedSchema = `definition user {}

definition group {
	relation member: user | group#member
}

definition document {
	relation viewer: user | group#member

	permission view = viewer
}
`

// nested is trees of groups in groups, all alike, with their members on the last
// level, and documents, most of which are shared with everybody in a tree. Some
// groups are in two groups of the level above. Nobody is in two trees. Ids are
// "t<tree>-<letter><number>": u user, g group, d document.
type nested struct {
	seed      uint64
	allowed   float64
	trees     int
	users     int // of a tree
	groups    levels
	documents int
	last      int // tuples that the last document keeps
}

func newNested(p Plan) *nested {
	s := &nested{seed: p.Seed, allowed: p.Allowed, users: max(20, min(p.Members, p.Tuples/5))}
	s.groups = newLevels(p.Depth, p.Width, max(1, s.users/10))
	s.trees = max(2, p.Tuples/2/s.users)
	budget := p.Tuples
	for t := range s.trees {
		budget -= s.users + s.groups.groups - 1
		for g := range s.groups.groups {
			if s.second(t, g) >= 0 {
				budget--
			}
		}
	}
	s.documents, s.last = fill(budget, func(n int) int { return len(s.whole(n)) })
	return s
}

func (s *nested) schema() (string, error) { return nestedSchema, nil }

func (s *nested) object(tree int, typ string, letter byte, n int) tuple.Object {
	return tuple.Object{Type: typ, ID: id("t"+strconv.Itoa(tree), letter, n)}
}

func (s *nested) user(tree, n int) tuple.Subject {
	return tuple.Subject{Type: "user", ID: id("t"+strconv.Itoa(tree), 'u', n)}
}

// second is a group of the next level that group g holds besides its own, -1 =
// none.
func (s *nested) second(tree, g int) int {
	d := drawsOf(s.seed, tree, 'g', g)
	level, n := s.groups.place(g)
	if !d.oneIn(10) || level == s.groups.last() || s.groups.sizes[level+1] < 2 {
		return -1
	}
	i := d.intN(s.groups.sizes[level+1])
	if from, to := s.groups.inner(level, n); i >= from && i < to {
		return -1
	}
	return s.groups.starts[level+1] + i
}

func (s *nested) group(tree, g int) []tuple.Tuple {
	p := page{object: s.object(tree, "group", 'g', g)}
	hold := func(g int) { p.add("member", userset(s.object(tree, "group", 'g', g))) }
	s.groups.below(g, hold)
	if second := s.second(tree, g); second >= 0 {
		hold(second)
	}
	if level, n := s.groups.place(g); level == s.groups.last() {
		for u := n; u < s.users; u += s.groups.leaves() {
			p.add("member", s.user(tree, u))
		}
	}
	return p.tuples
}

// sharedWith is the tree that a document belongs to, the group that may see it,
// the outermost of most, and one user, -1 = none.
func (s *nested) sharedWith(n int) (tree, group, user int) {
	d := drawsOf(s.seed, 'd', n)
	tree, user = d.intN(s.trees), -1
	if d.oneIn(4) {
		group = d.intN(s.groups.groups)
	}
	if d.oneIn(5) {
		user = d.intN(s.users)
	}
	return tree, group, user
}

// whole is the page of a document if the budget lasts for all of it.
func (s *nested) whole(n int) []tuple.Tuple {
	tree, group, user := s.sharedWith(n)
	p := page{object: s.object(tree, "document", 'd', n)}
	p.add("viewer", userset(s.object(tree, "group", 'g', group)))
	if user >= 0 {
		p.add("viewer", s.user(tree, user))
	}
	return p.tuples
}

func (s *nested) document(n int) []tuple.Tuple {
	tuples := s.whole(n)
	if n == s.documents-1 {
		tuples = tuples[:s.last]
	}
	return tuples
}

func (s *nested) tuples(yield func(tuple.Tuple) bool) {
	for t := range s.trees {
		if !yieldPages(s.groups.groups, func(g int) []tuple.Tuple { return s.group(t, g) }, yield) {
			return
		}
	}
	yieldPages(s.documents, s.document, yield)
}

func (s *nested) total() uint64 { return uint64(s.documents) * uint64(s.users) * 2 }

// question is about a document and a user of its group, or one of another tree,
// who is in as many groups.
func (s *nested) question(n uint64) Question {
	d := drawsOf(s.seed, int(n))
	document := d.intN(s.documents)
	tree, group, _ := s.sharedWith(document)
	q := Question{Object: s.object(tree, "document", 'd', document), Permission: "view"}
	if d.float() < s.allowed {
		leaf, leaves := s.groups.leafBelow(group, &d), s.groups.leaves()
		q.Subject = s.user(tree, leaf+leaves*d.intN((s.users-leaf+leaves-1)/leaves))
	} else {
		other := (tree + 1 + d.intN(s.trees-1)) % s.trees
		q.Subject = s.user(other, d.intN(s.users))
	}
	return q
}

// listed takes the objects of the question's tree only by chance: documents are
// numbered through all trees.
func (s *nested) listed(q *Question, op Op) (int, func(int) string) {
	if op == ListObjects {
		return s.documents, func(i int) string {
			tree, _, _ := s.sharedWith(i)
			return s.object(tree, "document", 'd', i).ID
		}
	}
	tree, _, _, _ := number(q.Object.ID)
	return s.users, func(i int) string { return s.user(tree, i).ID }
}

func (s *nested) facts(int) func(tuple.Object) []tuple.Tuple {
	return remembered(func(o tuple.Object) []tuple.Tuple {
		tree, letter, n, ok := number(o.ID)
		switch {
		case !ok || tree >= s.trees:
		case letter == 'g' && n < s.groups.groups:
			return s.group(tree, n)
		case letter == 'd' && n < s.documents:
			return s.document(n)
		}
		return nil
	})
}

func (s *nested) scratch(object, subject string) tuple.Tuple {
	return tuple.Tuple{Object: tuple.Object{Type: "document", ID: object}, Relation: "viewer",
		Subject: tuple.Subject{Type: "user", ID: subject}}
}
