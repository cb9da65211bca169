package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// Registered is a resource of a service, as Register made it known.
type Registered struct {
	Resource  Resource `json:"resource"`
	Parent    Resource `json:"parent"`
	AccountID string   `json:"accountId,omitempty"` // service account that it runs as, "" = none
}

// accountRelation names the account that a resource runs as. It grants nothing.
const accountRelation = "account"

// ownKinds are made by calls of their own.
var ownKinds = []string{OrganizationKind, CloudKind, FolderKind, ServiceAccountKind, KeyKind, GroupKind, RoleKind}

// serviceKind returns a kind of resources that services register.
func (c *change) serviceKind(r Resource) (*catalogue.Kind, error) {
	if err := checkID("resource.id", r.ID); err != nil {
		return nil, err
	}
	if slices.Contains(ownKinds, r.Kind) {
		return nil, invalid("resource.kind", r.Kind, "resources of this kind are not registered", "create it by its own call")
	}
	known, err := c.s.catalogueAt(c.view)
	if err != nil {
		return nil, err
	}
	kind, ok := known.Kind(r.Kind)
	if !ok {
		return nil, invalid("resource.kind", r.Kind, "unknown kind of resource", "pemba iam kinds lists them")
	}
	return kind, nil
}

// Register makes a resource of a service known, below another. With an account it
// runs as that, which the caller must be allowed to use and which stands in the same
// folder. Its id is the service's; there is one resource of a kind with it.
func (s *Service) Register(ctx context.Context, call *Call, r, parent Resource, accountID string) (*Operation, error) {
	return s.change(ctx, call, "RegisterResource", "Register resource", func(c *change) error {
		kind, err := c.serviceKind(r)
		if err != nil {
			return err
		}
		if !slices.Contains(kind.Parents, parent.Kind) {
			return invalid("parent.kind", parent.Kind, fmt.Sprintf("a %s does not stand in a %s", r.Kind, parent.Kind), "name one of kind "+strings.Join(kind.Parents, ", "))
		}
		path, err := c.mustBeActive(parent)
		if err != nil {
			return at("parent", err)
		}
		if len(path) == maxLevels {
			return invalid("parent", parent.String(), "resources stand at most 16 levels deep", "use a parent further up")
		}
		if err := c.require(kind.Permissions+".create", parent); err != nil {
			return err
		}
		if _, there := parentOf(c.view, r); there {
			return exists("resource", r.String(), fmt.Sprintf("%s is registered", r))
		}
		c.write.Require = append(c.write.Require, c.sameRow(r.object(), parentRelation))
		// What was added to an earlier one of that name while it was removed is not this one's.
		w := newSweep(c)
		if !w.tuples(tuple.Filter{Type: resourceType, ID: r.String()}, "") {
			return precondition("BEING_DELETED", fmt.Sprintf("an earlier %s is still being removed", r), "try again shortly")
		}
		c.add(r.below(parent))
		c.op.Resource, c.op.Parent = r, parent
		return c.runAs(r, accountID, path)
	})
}

// runAs names the account that a resource with this path above it runs as.
func (c *change) runAs(r Resource, accountID string, path []Resource) error {
	if accountID == "" {
		return nil
	}
	a, err := c.account(accountID, "iam.serviceAccounts.use")
	if err != nil {
		return err
	}
	if err := c.mustOwnWhatItOwns(a.subject()); err != nil {
		return err
	}
	if !slices.Contains(path, Resource{FolderKind, a.FolderID}) {
		return precondition("OTHER_FOLDER", fmt.Sprintf("the service account %s stands in another folder than %s", a.ID, r), "use an account of the same folder")
	}
	c.add(tuple.Tuple{Object: r.object(), Relation: accountRelation, Subject: Subject{ServiceAccount, a.ID}.tuple()})
	return nil
}

// accountOf returns the account that a resource runs as, "" = none.
func accountOf(v *authz.LayerView, r Resource) string {
	for t := range v.Tuples(tuple.Filter{Type: resourceType, ID: r.String(), Relation: accountRelation}) {
		return t.Subject.ID
	}
	return ""
}

// SetResourceAccount changes the account that a resource runs as, "" = none.
func (s *Service) SetResourceAccount(ctx context.Context, call *Call, r Resource, accountID string) (*Operation, error) {
	return s.change(ctx, call, "UpdateResource", "Change the service account of a resource", func(c *change) error {
		kind, err := c.serviceKind(r)
		if err != nil {
			return err
		}
		parent, ok := parentOf(c.view, r)
		if !ok {
			return notFound(r)
		}
		path, err := c.mustBeActive(r)
		if err != nil {
			return err
		}
		if err := c.require(kind.Permissions+".update", r); err != nil {
			return err
		}
		c.write.Require = append(c.write.Require, c.sameRow(r.object(), accountRelation))
		if old := accountOf(c.view, r); old != accountID && old != "" {
			c.remove(tuple.Tuple{Object: r.object(), Relation: accountRelation, Subject: Subject{ServiceAccount, old}.tuple()})
		}
		c.op.Resource, c.op.Parent = r, parent
		return c.runAs(r, accountID, path)
	})
}

// Unregister forgets a resource with the bindings on it. Nothing may stand in it.
func (s *Service) Unregister(ctx context.Context, call *Call, r Resource) (*Operation, error) {
	op, err := s.change(ctx, call, "UnregisterResource", "Unregister resource", func(c *change) error {
		kind, err := c.serviceKind(r)
		if err != nil {
			return err
		}
		parent, ok := parentOf(c.view, r)
		if !ok {
			return notFound(r)
		}
		if err := c.require(kind.Permissions+".delete", r); err != nil {
			return err
		}
		to := r.subject()
		within := tuple.Filter{Type: resourceType, Relation: parentRelation, SubjectType: to.Type, SubjectID: to.ID}
		for t := range c.view.Tuples(within) {
			return precondition("NOT_EMPTY", fmt.Sprintf("%s stands in %s", resourceOf(t.Object.ID), r), "unregister it first")
		}
		c.write.Require = append(c.write.Require, c.sameRow(r.object(), parentRelation), authz.Requirement{Kind: authz.NoTuple, Filter: within})
		c.op.Resource, c.op.Parent = r, parent
		return c.sweep(r, Subject{})
	})
	return s.finish(ctx, op, err, deletion{Resource: r})
}

// Resource returns a resource of a service.
func (s *Service) Resource(ctx context.Context, call *Call, r Resource) (*Registered, error) {
	v, caller, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := s.mustGet(ctx, v, caller, r, "get"); err != nil {
		return nil, err
	}
	parent, _ := parentOf(v, r)
	return &Registered{r, parent, accountOf(v, r)}, nil
}

// Resources lists the resources of a kind that stand in another, newest first.
func (s *Service) Resources(ctx context.Context, call *Call, parent Resource, kind string, p Page) ([]*Registered, string, error) {
	l, err := s.list(ctx, call, p, "resources "+parent.String()+" "+kind)
	if err != nil {
		return nil, "", err
	}
	known, err := s.catalogueAt(l.now)
	if err != nil {
		return nil, "", err
	}
	k, ok := known.Kind(kind)
	if !ok {
		return nil, "", invalid("kind", kind, "unknown kind of resource", "pemba iam kinds lists them")
	}
	if err := l.mustHave(ctx, k.Permissions+".list", parent); err != nil {
		return nil, "", err
	}
	ids := children(l.view, parent, kind)
	from, to, next := l.cut(len(ids))
	var out []*Registered
	for _, id := range ids[from:to] {
		r := Resource{kind, id}
		out = append(out, &Registered{r, parent, accountOf(l.view, r)})
	}
	return out, next, nil
}
