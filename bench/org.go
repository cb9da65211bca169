package bench

import (
	"math/rand/v2"
	"strconv"

	"github.com/pemba-authz/pemba/tuple"
)

// groupLevels are the user groups of an organization, from the company down to
// its squads: each group's members are those of the groups below it, so a
// user's membership in the company is five group-to-group steps away at most.
var groupLevels = [...]int{1, 3, 9, 18, 36}

// org is one organization of a population. Ids are "o<org>-<letter><number>",
// numbered through the organization, so that a question can name any of them
// without a table: u user, g group, c cloud, f folder, s service account,
// n instance group, i instance, m image.
type org struct {
	index, budget int
	prefix        string // of its ids

	users, clouds, folders, accounts, groups int // groups: instance groups
	instances                                int // what the rest of the budget holds
}

func planOrg(index, budget int) org {
	share := func(of int) int { return of * budget / partTuples }
	o := org{index: index, budget: budget, prefix: "o" + strconv.Itoa(index)}
	o.users = max(36, share(600))
	o.clouds = max(2, share(6))
	o.folders = max(6, share(60))
	o.accounts = 2 * o.folders
	o.groups = o.folders
	return o
}

// emitter adds tuples until the budget is spent or its consumer has enough.
type emitter struct {
	*rand.Rand
	prefix string
	left   int
	yield  func(tuple.Tuple) bool
	seen   map[tuple.Key]struct{}
}

// generate yields exactly o.budget tuples and returns the number of instances
// among the objects; the last of them may lack a tuple that others have.
func (o *org) generate(seed uint64, yield func(tuple.Tuple) bool) int {
	e := &emitter{
		Rand:   rand.New(rand.NewPCG(seed, uint64(o.index))),
		prefix: o.prefix,
		left:   o.budget,
		yield:  yield,
		seen:   make(map[tuple.Key]struct{}, o.budget),
	}
	o.hierarchy(e)
	o.userGroups(e)
	o.organizationBindings(e)
	o.cloudBindings(e)
	o.folderBindings(e)
	o.serviceAccounts(e)
	return o.fillInstances(e)
}

func (e *emitter) id(letter byte, n int) string { return id(e.prefix, letter, n) }

func id(prefix string, letter byte, n int) string {
	b := make([]byte, 0, 24)
	b = append(append(b, prefix...), '-', letter)
	return string(strconv.AppendInt(b, int64(n), 10))
}

// add yields one tuple unless the same one was yielded before.
func (e *emitter) add(object tuple.Object, relation string, subject tuple.Subject) {
	t := tuple.Tuple{Object: object, Relation: relation, Subject: subject}
	if _, again := e.seen[t.Key()]; again || e.left == 0 {
		return
	}
	e.seen[t.Key()] = struct{}{}
	e.left--
	if !e.yield(t) {
		e.left = 0
	}
}

func (e *emitter) organization() tuple.Object {
	return tuple.Object{Type: "organization", ID: e.prefix}
}
func (e *emitter) cloud(n int) tuple.Object  { return tuple.Object{Type: "cloud", ID: e.id('c', n)} }
func (e *emitter) folder(n int) tuple.Object { return tuple.Object{Type: "folder", ID: e.id('f', n)} }
func (e *emitter) account(n int) tuple.Object {
	return tuple.Object{Type: "service_account", ID: e.id('s', n)}
}
func (e *emitter) user(n int) tuple.Subject { return tuple.Subject{Type: "user", ID: e.id('u', n)} }

// group names the n-th group of a level, counted from the company's 0.
func (e *emitter) group(level, n int) tuple.Object {
	for _, size := range groupLevels[:level] {
		n += size
	}
	return tuple.Object{Type: "group", ID: e.id('g', n)}
}

// members is the userset of the n-th group of a level.
func (e *emitter) members(level, n int) tuple.Subject { return userset(e.group(level, n)) }

func userset(group tuple.Object) tuple.Subject {
	return tuple.Subject{Type: group.Type, ID: group.ID, Relation: "member"}
}

func plain(o tuple.Object) tuple.Subject { return tuple.Subject{Type: o.Type, ID: o.ID} }

func (o *org) anyUser(e *emitter) tuple.Subject { return e.user(e.IntN(o.users)) }

func (e *emitter) anyGroup(level int) tuple.Subject {
	return e.members(level, e.IntN(groupLevels[level]))
}

// hierarchy puts clouds into the organization and folders into clouds.
func (o *org) hierarchy(e *emitter) {
	for c := range o.clouds {
		e.add(e.cloud(c), "organization", plain(e.organization()))
	}
	for f := range o.folders {
		e.add(e.folder(f), "cloud", plain(e.cloud(f%o.clouds)))
	}
}

// userGroups nests the groups and puts every user into a squad, some into two.
func (o *org) userGroups(e *emitter) {
	for level, size := range groupLevels {
		for n := range size {
			e.add(e.group(level, n), "organization", plain(e.organization()))
			if level > 0 {
				above := n * groupLevels[level-1] / size
				e.add(e.group(level-1, above), "member", e.members(level, n))
			}
		}
	}
	squads := len(groupLevels) - 1
	for u := range o.users {
		e.add(e.group(squads, u%groupLevels[squads]), "member", e.user(u))
		if e.IntN(4) == 0 {
			e.add(e.group(squads, e.IntN(groupLevels[squads])), "member", e.user(u))
		}
	}
}
