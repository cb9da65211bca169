package iamload

import (
	"math/rand/v2"

	"github.com/pemba-authz/pemba/tuple"
)

// binding is an access binding, with where it counts and for whom.
type binding struct {
	on   tuple.Object
	role *role
	to   tuple.Subject

	organization int
	at           int // a resource on which it counts
	user         int // of the organization, to whom it counts
}

func (l *Load) binding(n int) binding {
	random := l.plan.draws('b', n)
	b := binding{at: random.IntN(l.plan.Resources)}
	folder := l.folderOf(b.at)
	b.organization = l.organizationOf(folder)
	b.on = l.placeOf(random, b.at)
	kind := l.kindOf(b.at).ID
	for range 8 {
		if b.role = l.drawRole(random); b.role.allowedOn(kind) {
			break
		}
	}
	b.user = random.IntN(l.usersEach())
	b.to = l.user(b.organization, b.user)
	switch {
	case random.IntN(groupEvery) == 0:
		g := random.IntN(l.groupsEach())
		members := l.members(b.organization, g)
		b.user = members[random.IntN(len(members))]
		b.to = tuple.Subject{Type: groupType, ID: l.group(b.organization, g).ID, Relation: "member"}
	case random.IntN(systemEvery) == 0 && b.on == l.resource(b.at): // above, that would be a mistake
		groups := everybody(l.organization(b.organization))
		b.to = groups[1+random.IntN(2)]
	}
	return b
}

// placeOf returns a resource, or what it stands in: mostly folders.
func (l *Load) placeOf(random *rand.Rand, resource int) tuple.Object {
	folder := l.folderOf(resource)
	if random.IntN(aboveEvery) > 0 {
		return l.resource(resource)
	}
	switch n := random.IntN(100); {
	case n < 2:
		return l.organization(l.organizationOf(folder))
	case n < 15:
		return l.cloud(l.cloudOf(folder))
	}
	return l.folder(folder)
}
