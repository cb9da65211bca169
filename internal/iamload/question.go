package iamload

import (
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// Question asks whether somebody has a permission on a resource.
type Question struct {
	Object     tuple.Object
	Permission string
	Subjects   []tuple.Subject // who asks, and the system groups that this implies
}

// actions that questions ask about.
var actions = []string{"get", "list", "update", "delete", "use", "listAccessBindings"}

// Question returns the n-th question. Every other one is about a binding: it asks
// for what the role grants, for one to whom it counts, where it counts. The others
// are about any resource and any user of its organization.
func (l *Load) Question(n int) Question {
	random := l.plan.draws('q', n)
	at := random.IntN(l.plan.Resources)
	organization := l.organizationOf(l.folderOf(at))
	user := random.IntN(l.usersEach())
	permission := l.kindOf(at).Permissions + "." + actions[random.IntN(len(actions))]
	if n%2 == 0 {
		b := l.binding(random.IntN(l.plan.Bindings))
		at, organization, user = b.at, b.organization, b.user
		if p := b.role.permissions; len(p) > 0 {
			permission = p[random.IntN(len(p))]
		}
	}
	who := l.user(organization, user)
	implied := everybody(l.organization(organization))
	if who.Type == "iam.serviceAccount" {
		implied = implied[:2]
	}
	return Question{l.resource(at), catalogue.NameOf(permission), append([]tuple.Subject{who}, implied...)}
}
