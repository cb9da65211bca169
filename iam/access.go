package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

// Reasons say whether a subject has a permission or a role on a resource, and
// every binding that gives it.
type Reasons struct {
	Allowed bool
	Path    []Resource  // the resource and all above it, itself first
	Ways    []BindingAt // nearest first; Subject is the one asked about, or a group that it is in
	Token   string      // consistency token of the view
}

// mayAsk refuses a caller who asks about somebody else's rights on a resource
// whose bindings he may not list.
func (s *Service) mayAsk(ctx context.Context, v *authz.LayerView, caller *Caller, who Subject, on Resource) error {
	permission, err := s.permissionOn(v, on, "listAccessBindings")
	if err != nil || who == caller.Subject {
		return err
	}
	return caller.must(ctx, v, permission, on)
}

// Why says which bindings give a subject a permission or a role on a resource.
// Anybody may ask about himself; else it takes the permission to list the
// resource's bindings.
func (s *Service) Why(ctx context.Context, call *Call, who Subject, name string, on Resource) (*Reasons, error) {
	if err := who.check("subject"); err != nil {
		return nil, err
	}
	v, caller, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := s.mayAsk(ctx, v, caller, who, on); err != nil {
		return nil, err
	}
	asked, err := s.askable(v, name)
	if err != nil {
		return nil, err
	}
	m, err := s.memberships(v, who)
	if err != nil {
		return nil, err
	}
	out := &Reasons{Token: v.Token}
	answer, err := v.CheckSet(ctx, on.object(), asked, authz.NewSubjectSet(m.subjects()...))
	if err != nil {
		return nil, err
	}
	out.Allowed = answer.Decision == authz.Allowed
	if out.Path, err = pathOf(v, on); err != nil {
		return nil, err
	}
	for _, w := range m.ways(v, out.Path) {
		if ok, err := s.gives(v, w.RoleID, name); err != nil {
			return nil, err
		} else if ok {
			out.Ways = append(out.Ways, w.BindingAt)
		}
	}
	if out.Allowed != (len(out.Ways) > 0) {
		return nil, broken("say why", fmt.Errorf("%s has %s on %s: %v, by %d bindings", who, name, on, out.Allowed, len(out.Ways)))
	}
	return out, nil
}

// subjects returns all that a subject is.
func (m membership) subjects() []tuple.Subject {
	var out []tuple.Subject
	for t := range m {
		out = append(out, t)
	}
	return out
}

// gives reports whether a role is or includes a role, or grants a permission.
func (s *Service) gives(v *authz.LayerView, role, name string) (bool, error) {
	if role == name {
		return true, nil
	}
	r, err := s.roleAt(v, role)
	if err != nil || r == nil {
		return false, err
	}
	if r.has(name) {
		return true, nil
	}
	for _, included := range r.Includes {
		if ok, err := s.gives(v, included, name); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// Who lists the subjects that have a permission or a role on a resource: users,
// service accounts, groups and system groups, each with what it is given itself;
// who is a member of a group stands there, too.
func (s *Service) Who(ctx context.Context, call *Call, name string, on Resource, p Page) ([]Subject, string, error) {
	l, err := s.list(ctx, call, p, "who "+name+" "+on.String())
	if err != nil {
		return nil, "", err
	}
	if err := l.must(ctx, on, "listAccessBindings"); err != nil {
		return nil, "", err
	}
	asked, err := s.askable(l.view, name)
	if err != nil {
		return nil, "", err
	}
	all, err := subjectsOf(ctx, l.view, asked, on)
	if err != nil {
		return nil, "", err
	}
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}

var subjectTypes = []tuple.Subject{
	{Type: "iam." + string(UserAccount)}, {Type: "iam." + string(FederatedUser)}, {Type: "iam." + string(ServiceAccount)},
	{Type: groupType, Relation: memberRelation}, {Type: "iam." + string(System)},
}

func subjectsOf(ctx context.Context, v *authz.LayerView, asked string, on Resource) ([]Subject, error) {
	var all []Subject
	for _, t := range subjectTypes {
		ids, err := v.SubjectsOf(ctx, on.object(), asked, t.Type, t.Relation)
		if err != nil {
			return nil, err
		}
		slices.Sort(ids)
		for _, id := range ids {
			all = append(all, subjectOf(tuple.Subject{Type: t.Type, ID: id, Relation: t.Relation}))
		}
	}
	return all, nil
}

// What lists the bindings that count for a subject on a resource, there and
// above it, nearest first. Anybody may ask about himself. Without a resource it
// lists what is granted to the subject and its groups anywhere, of which others
// than himself see what is in organizations whose bindings they may list.
func (s *Service) What(ctx context.Context, call *Call, who Subject, on Resource, p Page) ([]BindingAt, string, error) {
	if err := who.check("subject"); err != nil {
		return nil, "", err
	}
	l, err := s.list(ctx, call, p, "what "+who.String()+" "+on.String())
	if err != nil {
		return nil, "", err
	}
	m, err := s.memberships(l.view, who)
	if err != nil {
		return nil, "", err
	}
	var all []BindingAt
	if on == (Resource{}) {
		all, err = l.visibleGrants(ctx, m, who)
	} else {
		all, err = l.waysOn(ctx, m, who, on)
	}
	if err != nil {
		return nil, "", err
	}
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}

func (l *listing) waysOn(ctx context.Context, m membership, who Subject, on Resource) ([]BindingAt, error) {
	if err := l.s.mayAsk(ctx, l.now, l.caller, who, on); err != nil {
		return nil, err
	}
	path, err := pathOf(l.view, on)
	if err != nil {
		return nil, err
	}
	var out []BindingAt
	for _, w := range m.ways(l.view, path) {
		out = append(out, w.BindingAt)
	}
	return out, nil
}

// visibleGrants returns what is granted to m in organizations whose bindings the
// caller may list, or anywhere if he asks about himself. What is granted to the
// public is everybody's, and not listed unless it is asked for.
func (l *listing) visibleGrants(ctx context.Context, m membership, who Subject) ([]BindingAt, error) {
	for _, public := range []tuple.Subject{everybody, authenticated} {
		if public != who.tuple() {
			delete(m, public)
		}
	}
	all, err := m.grants(l.view)
	if err != nil || who == l.caller.Subject {
		return withoutOrganization(all), err
	}
	may := map[string]bool{}
	var out []BindingAt
	for _, g := range all {
		ok, asked := may[g.organization]
		if !asked {
			if ok, err = l.caller.allows(ctx, l.now, listOrganizationBindings, Resource{OrganizationKind, g.organization}); err != nil {
				return nil, err
			}
			may[g.organization] = ok
		}
		if ok {
			out = append(out, g.BindingAt)
		}
	}
	return out, nil
}

const listOrganizationBindings = "organization-manager.organizations.listAccessBindings"

// grant is a binding and the organization that its resource stands in.
type grant struct {
	BindingAt
	organization string
}

func withoutOrganization(grants []grant) []BindingAt {
	out := make([]BindingAt, len(grants))
	for i, g := range grants {
		out[i] = g.BindingAt
	}
	return out
}

// grants returns all bindings of m's subjects, by resource.
func (m membership) grants(v *authz.LayerView) ([]grant, error) {
	var out []grant
	for who := range m {
		f := tuple.Filter{Type: resourceType, SubjectType: who.Type, SubjectID: who.ID, SubjectRelation: plain(who)}
		for t := range v.Tuples(f) {
			if !isRole(t.Relation) {
				continue
			}
			b := bindingOf(t)
			top, _, err := ancestor(v, b.Resource, OrganizationKind)
			if err != nil {
				return nil, err
			}
			out = append(out, grant{b, top.ID})
		}
	}
	slices.SortFunc(out, func(a, b grant) int {
		if n := strings.Compare(a.Resource.String(), b.Resource.String()); n != 0 {
			return n
		}
		return compareBindings(a.Binding, b.Binding)
	})
	return out, nil
}

// SubjectBindings lists the bindings of a subject, and of the groups that it is
// in, on an organization and whatever stands in it.
func (s *Service) SubjectBindings(ctx context.Context, call *Call, subjectID, organizationID string, p Page) ([]BindingAt, string, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, "", err
	}
	l, err := s.list(ctx, call, p, "subject "+subjectID+" "+organizationID)
	if err != nil {
		return nil, "", err
	}
	if err := l.must(ctx, Resource{OrganizationKind, organizationID}, "listAccessBindings"); err != nil {
		return nil, "", err
	}
	who, err := subjectWithID(l.view, subjectID)
	if err != nil {
		return nil, "", err
	}
	m, err := s.memberships(l.view, who)
	if err != nil {
		return nil, "", err
	}
	all, err := m.grants(l.view)
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(g grant) bool { return g.organization != organizationID })
	from, to, next := l.cut(len(all))
	return withoutOrganization(all[from:to]), next, nil
}

// subjectWithID finds out what kind of subject has an id.
func subjectWithID(v *authz.LayerView, id string) (Subject, error) {
	if system := (Subject{System, id}); system.check("subject_id") == nil {
		return system, nil
	}
	if _, ok := v.Record(accountKey(id)); ok {
		return Subject{ServiceAccount, id}, nil
	}
	if _, ok := v.Record(groupKey(id)); ok {
		return Subject{GroupSubject, id}, nil
	}
	var u User
	if found, err := load(v, userKey(id), &u); err != nil || found {
		return u.Subject(), err
	}
	return Subject{}, &Error{Code: authz.NotFound, Reason: "SUBJECT_NOT_FOUND", Field: "subject_id", Value: id,
		Message: "there is no subject " + id, Fix: "check the id"}
}
