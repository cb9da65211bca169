package bench

import (
	"github.com/pemba-authz/pemba/tuple"
)

// organizationBindings: everybody may see what there is, a few may do all.
func (o *org) organizationBindings(e *emitter) {
	all := e.organization()
	e.add(all, "organizations_owner", e.user(0))
	e.add(all, "auditor", e.members(0, 0))
	e.add(all, "admin", o.anyUser(e))
	e.add(all, "iam_auditor", o.anyUser(e))
	e.add(all, "resource_manager_viewer", o.anyUser(e))
	e.add(all, "compute_viewer", plain(e.account(0)))
}

// cloudBindings: a division reads its clouds, a department operates one, a team edits it.
func (o *org) cloudBindings(e *emitter) {
	for c := range o.clouds {
		cloud := e.cloud(c)
		e.add(cloud, "clouds_owner", o.anyUser(e))
		e.add(cloud, "viewer", e.members(1, c%groupLevels[1]))
		e.add(cloud, "compute_operator", e.members(2, c%groupLevels[2]))
		e.add(cloud, "compute_editor", e.anyGroup(3))
		e.add(cloud, "editor", e.anyGroup(3))
		e.add(cloud, "admin", e.anyGroup(4))
		e.add(cloud, "load_balancer_editor", e.anyGroup(4))
		e.add(cloud, "resource_manager_admin", o.anyUser(e))
		e.add(cloud, "clouds_member", o.anyUser(e))
	}
}

// folderRoles are given on each folder: to the members of a group of some
// level, or (level < 0) to one user.
var folderRoles = [...]struct {
	role  string
	level int
}{
	{"viewer", 3}, {"viewer", -1}, {"auditor", -1},
	{"compute_viewer", 2}, {"compute_operator", 3}, {"compute_operator", -1},
	{"compute_editor", 3}, {"compute_editor", 4}, {"compute_admin", 4},
	{"editor", 3}, {"editor", -1}, {"admin", 4}, {"admin", -1},
	{"iam_service_accounts_user", 3}, {"iam_service_accounts_admin", -1},
	{"load_balancer_editor", 4}, {"compute_images_user", 1},
}

func (o *org) folderBindings(e *emitter) {
	for f := range o.folders {
		for _, r := range folderRoles {
			subject := o.anyUser(e)
			if r.level >= 0 {
				subject = e.anyGroup(r.level)
			}
			e.add(e.folder(f), r.role, subject)
		}
	}
}

// serviceAccounts: two in each folder, one of which runs the folder's instance group.
func (o *org) serviceAccounts(e *emitter) {
	for s := range o.accounts {
		f := s % o.folders
		account := e.account(s)
		e.add(account, "folder", plain(e.folder(f)))
		e.add(account, "iam_service_accounts_user", o.anyUser(e))
		e.add(account, "iam_service_accounts_token_creator", o.anyUser(e))
		if s < o.folders {
			e.add(e.folder(f), "compute_editor", plain(account))
			group := tuple.Object{Type: "instance_group", ID: e.id('n', f)}
			e.add(group, "folder", plain(e.folder(f)))
			e.add(group, "service_account", plain(account))
			e.add(group, "compute_operator", e.anyGroup(4))
		}
	}
}

// fillInstances spends the rest of the budget on instances, some of which have
// bindings of their own, and returns their number.
func (o *org) fillInstances(e *emitter) int {
	n := 0
	for ; e.left > 0; n++ {
		instance := tuple.Object{Type: "instance", ID: e.id('i', n)}
		f := e.IntN(o.folders)
		e.add(instance, "folder", plain(e.folder(f)))
		switch e.IntN(10) {
		case 0, 1:
			e.add(instance, "compute_operator", o.anyUser(e))
		case 2:
			e.add(instance, "compute_admin", e.anyGroup(4))
		case 3, 4:
			group := tuple.Object{Type: "instance_group", ID: e.id('n', f)}
			e.add(instance, "instance_group", plain(group))
		}
	}
	return n
}
