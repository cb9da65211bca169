package bench

import (
	"strconv"

	"github.com/pemba-authz/pemba/tuple"
)

const docsSchema = `definition user {}

definition group {
	relation member: user | group#member
}

definition folder {
	relation parent: folder
	relation owner: user
	relation editor: user | group#member
	relation viewer: user | group#member

	permission edit = owner + editor + parent->edit
	permission view = viewer + edit + parent->view
}

definition document {
	relation folder: folder
	relation owner: user
	relation editor: user | group#member
	relation viewer: user | group#member
	relation banned: user | group#member

	permission edit = (owner + editor + folder->edit) - banned
	permission view = (viewer + owner + editor + folder->view) - banned
	permission share = edit & folder->edit
}
`

// docs are companies that share documents. A company has users in nested groups,
// a tree of folders, and documents in these. Nothing is shared with the last
// quarter of the groups and their users, who are in as many groups as others.
// Ids are "c<company>-<letter><number>":
// u user, g group, f folder, d document.
type docs struct {
	seed      uint64
	allowed   float64
	companies []company
	all       uint64 // questions
}

type company struct {
	users, folders int
	groups         levels
	documents      int
	last           int // tuples that the last document keeps
	granted        int // groups of the last level, the first ones, that anything is shared with
	wide, wideOnes int // level of the groups that an outermost folder is shared with; how many of it hold granted ones only
}

const (
	foldersInFolder = 4 // how many folders a folder holds
	leastLeaves     = 8 // groups of the last level
)

func newDocs(p Plan) *docs {
	s := &docs{seed: p.Seed, allowed: p.Allowed, companies: make([]company, p.Parts)}
	left := p.Tuples
	for i := range s.companies {
		budget := left / (len(s.companies) - i)
		left -= budget
		s.plan(i, budget, p)
	}
	per := s.companies[0]
	s.all = uint64(len(s.companies)) * uint64(per.documents) * uint64(per.users) * uint64(len(docsPermissions))
	return s
}

// plan makes the i-th company of exactly budget tuples.
func (s *docs) plan(i, budget int, p Plan) {
	c := &s.companies[i]
	c.users, c.folders = max(50, budget*6/100), max(10, budget/50)
	c.groups = newLevels(p.Depth, p.Width, c.users/10)
	c.groups.widen(leastLeaves)
	c.granted = c.groups.leaves() * 3 / 4
	for c.wide < c.groups.last() && c.groups.sizes[c.wide] < 9 {
		c.wide++
	}
	c.wideOnes = c.groups.sizes[c.wide]
	for c.wideOnes > 0 {
		if _, to := c.groups.leavesBelow(c.wide, c.wideOnes-1); to <= c.granted {
			break
		}
		c.wideOnes--
	}
	if c.wideOnes == 0 {
		c.wide, c.wideOnes = c.groups.last(), c.granted
	}
	s.spend(i, budget)
}

// spend plans documents for what is left of the budget.
func (s *docs) spend(i, budget int) {
	c := &s.companies[i]
	for g := range c.groups.groups {
		budget -= len(s.group(i, g))
	}
	for f := range c.folders {
		budget -= len(s.folder(i, f))
	}
	c.documents, c.last = fill(budget, func(d int) int { return len(s.whole(i, d)) })
}

func (s *docs) schema() (string, error) { return docsSchema, nil }

func (s *docs) id(c int, letter byte, n int) string { return id("c"+strconv.Itoa(c), letter, n) }

func (s *docs) user(c, n int) tuple.Subject {
	return tuple.Subject{Type: "user", ID: s.id(c, 'u', n)}
}

func (s *docs) object(c int, typ string, letter byte, n int) tuple.Object {
	return tuple.Object{Type: typ, ID: s.id(c, letter, n)}
}

// who is a user or the members of a group, by number; -1 = nobody.
type who struct {
	group bool
	n     int
}

var nobody = who{n: -1}

// add adds w unless it is nobody or has the relation already.
func (s *docs) add(p *page, c int, relation string, w who) {
	switch {
	case w.n < 0:
	case w.group:
		p.addNew(relation, userset(s.object(c, "group", 'g', w.n)))
	default:
		p.addNew(relation, s.user(c, w.n))
	}
}

// user draws one of the n-th group of the last level, not of those who are in it besides another.
func (c *company) user(n int, d *draws) int {
	leaves := c.groups.leaves()
	return n + leaves*d.intN((c.users-n+leaves-1)/leaves)
}

// insider draws a user of those with whom something is shared, outsider one of the others.
func (c *company) insider(d *draws) who { return who{n: c.user(d.intN(c.granted), d)} }
func (c *company) outsider(d *draws) int {
	return c.user(c.granted+d.intN(c.groups.leaves()-c.granted), d)
}

// team draws a group that holds users only.
func (c *company) team(d *draws) who {
	return who{true, c.groups.starts[c.groups.last()] + d.intN(c.granted)}
}

// group is the page of a group. Every user is in one group of the last level,
// some in a second one.
func (s *docs) group(c, g int) []tuple.Tuple {
	of := &s.companies[c]
	p := page{object: s.object(c, "group", 'g', g)}
	of.groups.below(g, func(g int) { p.add("member", userset(s.object(c, "group", 'g', g))) })
	level, n := of.groups.place(g)
	if level < of.groups.last() {
		return p.tuples
	}
	for u := n; u < of.users; u += of.groups.leaves() {
		p.add("member", s.user(c, u))
	}
	d := drawsOf(s.seed, c, 'g', g)
	for range len(p.tuples) / 4 {
		u := of.outsider(&d)
		if n < of.granted {
			u = of.insider(&d).n
		}
		p.addNew("member", s.user(c, u))
	}
	return p.tuples
}

// parent is the folder that folder f is in, -1 for the outermost.
func parent(f int) int {
	if f == 0 {
		return -1
	}
	return (f - 1) / foldersInFolder
}

// folderGrants are who has a relation on a folder.
func (s *docs) folderGrants(c, f int) (owner, editor, viewer who) {
	of := &s.companies[c]
	d := drawsOf(s.seed, c, 'f', f)
	owner, editor, viewer = of.insider(&d), of.team(&d), of.insider(&d)
	switch {
	case parent(f) < 0:
		viewer = who{true, of.groups.starts[of.wide] + d.intN(of.wideOnes)}
	case d.oneIn(2):
		viewer = of.team(&d)
	}
	return owner, editor, viewer
}

func (s *docs) folder(c, f int) []tuple.Tuple {
	p := page{object: s.object(c, "folder", 'f', f)}
	if above := parent(f); above >= 0 {
		p.add("parent", plain(s.object(c, "folder", 'f', above)))
	}
	owner, editor, viewer := s.folderGrants(c, f)
	s.add(&p, c, "owner", owner)
	s.add(&p, c, "editor", editor)
	s.add(&p, c, "viewer", viewer)
	return p.tuples
}

// documentGrants are who has a relation on a document, and its folder.
func (s *docs) documentGrants(c, n int) (folder int, owner who, editors, viewers [2]who, banned who) {
	of := &s.companies[c]
	d := drawsOf(s.seed, c, 'd', n)
	folder, owner = d.intN(of.folders), of.insider(&d)
	sometimes := func(chance int, draw func(*draws) who) who {
		if w := draw(&d); d.oneIn(chance) {
			return w
		}
		return nobody
	}
	editors = [2]who{sometimes(3, of.insider), sometimes(3, of.team)}
	viewers = [2]who{sometimes(2, of.insider), sometimes(3, of.team)}
	if banned = sometimes(20, of.insider); banned == nobody {
		banned = sometimes(40, of.team)
	}
	return folder, owner, editors, viewers, banned
}

// whole is the page of a document if the budget lasts for all of it.
func (s *docs) whole(c, n int) []tuple.Tuple {
	p := page{object: s.object(c, "document", 'd', n)}
	folder, owner, editors, viewers, banned := s.documentGrants(c, n)
	p.add("folder", plain(s.object(c, "folder", 'f', folder)))
	s.add(&p, c, "owner", owner)
	for i := range editors {
		s.add(&p, c, "editor", editors[i])
		s.add(&p, c, "viewer", viewers[i])
	}
	s.add(&p, c, "banned", banned)
	return p.tuples
}

func (s *docs) document(c, n int) []tuple.Tuple {
	of := &s.companies[c]
	if n >= of.documents {
		return nil
	}
	tuples := s.whole(c, n)
	if n == of.documents-1 {
		tuples = tuples[:of.last]
	}
	return tuples
}

func (s *docs) tuples(yield func(tuple.Tuple) bool) {
	for c := range s.companies {
		of := &s.companies[c]
		if !yieldPages(of.groups.groups, func(g int) []tuple.Tuple { return s.group(c, g) }, yield) ||
			!yieldPages(of.folders, func(f int) []tuple.Tuple { return s.folder(c, f) }, yield) ||
			!yieldPages(of.documents, func(d int) []tuple.Tuple { return s.document(c, d) }, yield) {
			return
		}
	}
}

func (s *docs) facts(int) func(tuple.Object) []tuple.Tuple {
	return func(o tuple.Object) []tuple.Tuple {
		c, letter, n, ok := number(o.ID)
		if !ok || c >= len(s.companies) {
			return nil
		}
		switch of := &s.companies[c]; {
		case letter == 'g' && n < of.groups.groups:
			return s.group(c, n)
		case letter == 'f' && n < of.folders:
			return s.folder(c, n)
		case letter == 'd':
			return s.document(c, n)
		}
		return nil
	}
}

func (s *docs) scratch(object, subject string) tuple.Tuple {
	return tuple.Tuple{Object: tuple.Object{Type: "document", ID: object}, Relation: "viewer",
		Subject: tuple.Subject{Type: "user", ID: subject}}
}
