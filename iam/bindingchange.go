package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

// bindingsLife is how long the record of a resource's last change of bindings is
// kept: much longer than a change takes to be decided.
const bindingsLife = time.Hour

// bindingsKey holds the operation that last changed the bindings of a resource. A
// change that replaces all of them rests on it.
func bindingsKey(on Resource) string { return "bindings/" + on.String() }

// SetBindings makes the bindings of a resource those that are given, and leaves
// no others: not even such that are added at the same time.
func (s *Service) SetBindings(ctx context.Context, call *Call, on Resource, bindings []Binding) (*Operation, error) {
	if len(bindings) > MaxBindings {
		return nil, tooManyBindings(len(bindings), on)
	}
	for i, b := range bindings {
		if err := b.check(); err != nil {
			return nil, at(setField(i), err)
		}
	}
	return s.change(ctx, call, "SetAccessBindings", "Set access bindings", func(c *change) error {
		b, err := c.beginBindings(on)
		if err != nil {
			return err
		}
		return b.set(bindings)
	})
}

// UpdateBindings adds bindings to a resource and removes some from it; the last
// delta about a binding counts. To add one that is there, or to remove one that
// is not, has no effect.
func (s *Service) UpdateBindings(ctx context.Context, call *Call, on Resource, deltas []BindingDelta) (*Operation, error) {
	if len(deltas) == 0 || len(deltas) > MaxBindingDeltas {
		return nil, invalid("access_binding_deltas", "", "a call changes 1 to 1000 bindings", "split the call")
	}
	for i, d := range deltas {
		if err := d.Binding.check(); err != nil {
			return nil, at(updateField(i), err)
		}
	}
	return s.change(ctx, call, "UpdateAccessBindings", "Update access bindings", func(c *change) error {
		b, err := c.beginBindings(on)
		if err != nil {
			return err
		}
		return b.update(deltas)
	})
}

func setField(i int) string    { return fmt.Sprintf("access_bindings[%d]", i) }
func updateField(i int) string { return fmt.Sprintf("access_binding_deltas[%d].access_binding", i) }

func tooManyBindings(n int, on Resource) *Error {
	return &Error{Code: authz.ResourceExhausted, Reason: "TOO_MANY_BINDINGS", Value: on.String(),
		Message: fmt.Sprintf("%s would have %d access bindings, at most %d are allowed", on, n, MaxBindings), Fix: "grant roles to groups"}
}

// check refuses what cannot be a binding, whatever is stored.
func (b *Binding) check() error {
	if b.RoleID == "" || len(b.RoleID) > maxRoleID {
		return invalid("role_id", b.RoleID, "not a role's id", "name a role, as pemba iam roles lists them")
	}
	return b.Subject.check("subject")
}

// bindings is a change of the bindings on one resource.
type bindings struct {
	c            *change
	on           Resource
	organization string // that on stands in
	before       map[Binding]bool
	now          int               // how many there will be
	gone         []BindingAt       // that there will not be
	subjects     map[Subject]error // what was found out about them
	grants       map[string]error  // whether the caller may grant a role
}

// beginBindings finds out whether the caller may change the bindings on a
// resource at all.
func (c *change) beginBindings(on Resource) (*bindings, error) {
	permission, err := c.s.permissionOn(c.view, on, "updateAccessBindings")
	if err != nil {
		return nil, err
	}
	if err := c.require(permission, on); err != nil {
		return nil, err
	}
	b := &bindings{c: c, on: on, before: map[Binding]bool{}, subjects: map[Subject]error{}, grants: map[string]error{}}
	if b.organization, err = c.standsIn(on); err != nil {
		return nil, err
	}
	for _, old := range bindingsOn(c.view, on) {
		b.before[old] = true
	}
	b.now = len(b.before)
	c.op.Resource = on
	c.put(bindingsKey(on), c.op.ID)
	c.expire(bindingsKey(on), bindingsLife)
	return b, nil
}

// standsIn returns the organization of a resource, which must be there still
// when the change commits.
func (c *change) standsIn(on Resource) (organization string, err error) {
	top, ok, err := ancestor(c.view, on, OrganizationKind)
	if err != nil || !ok {
		return "", orNotFound(err, on)
	}
	if on == top {
		c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: organizationKey(on.ID)})
		return on.ID, nil
	}
	parent, _ := parentOf(c.view, on)
	c.mustStay(on.below(parent).Key())
	return top.ID, nil
}

// mustStay makes the change hold only if a tuple is there when it commits.
func (c *change) mustStay(k tuple.Key) {
	if !c.needed[k] {
		c.needed[k] = true
		c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.TupleThere, Key: k})
	}
}

// set replaces all bindings. What stays is not written: that it was there, the
// requirement on bindingsKey says, and that of its subject.
func (b *bindings) set(wanted []Binding) error {
	b.c.write.Require = append(b.c.write.Require, authz.Requirement{Kind: authz.RecordUnchanged, Record: bindingsKey(b.on)})
	stays := map[Binding]bool{}
	for i, w := range wanted {
		if stays[w] {
			continue
		}
		stays[w] = true
		if err := b.mustBeSubject(w.Subject); err != nil {
			return at(setField(i), err)
		}
		if b.before[w] {
			continue
		}
		if err := b.add(w); err != nil {
			return at(setField(i), err)
		}
	}
	for _, old := range bindingsOn(b.c.view, b.on) {
		if stays[old] {
			continue
		}
		if err := b.remove(old); err != nil {
			return err
		}
	}
	return b.finish()
}

// update carries deltas out. All are written, also where they seem to have no
// effect: that may change until the commit.
func (b *bindings) update(deltas []BindingDelta) error {
	last := map[Binding]int{}
	for i, d := range deltas {
		last[d.Binding] = i
	}
	for i, d := range deltas {
		if last[d.Binding] != i {
			continue
		}
		do := b.add
		if d.Remove {
			do = b.remove
		}
		if err := do(d.Binding); err != nil {
			return at(updateField(i), err)
		}
	}
	return b.finish()
}

// add adds a binding, if there may be such a one here and the caller may grant it.
func (b *bindings) add(w Binding) error {
	r, err := b.role(w.RoleID)
	if err != nil {
		return err
	}
	if err := r.mustFit(b.on, w.Subject); err != nil {
		return err
	}
	if err := b.mustBeSubject(w.Subject); err != nil {
		return err
	}
	if err := b.mayGrant(r); err != nil {
		return err
	}
	b.c.add(BindingAt{b.on, w}.tuple())
	if !b.before[w] {
		b.now++
		b.c.op.Deltas = append(b.c.op.Deltas, BindingDelta{Binding: w})
	}
	return nil
}

// mayGrant is change.mayGrant, once for each role.
func (b *bindings) mayGrant(r *Role) error {
	err, known := b.grants[r.ID]
	if !known {
		err = b.c.mayGrant(r, b.on)
		b.grants[r.ID] = err
	}
	return err
}

// remove removes a binding, if the caller may. One that is there can go even if
// its role cannot be granted here any more.
func (b *bindings) remove(w Binding) error {
	r, err := b.role(w.RoleID)
	switch {
	case isNoRole(err) && b.before[w]:
		r = &Role{ID: w.RoleID}
	case err != nil:
		return err
	}
	if r.owner {
		if err := b.c.require(r.ID, b.on); err != nil {
			return err
		}
	}
	b.c.remove(BindingAt{b.on, w}.tuple())
	b.gone = append(b.gone, BindingAt{b.on, w})
	if b.before[w] {
		b.now--
		b.c.op.Deltas = append(b.c.op.Deltas, BindingDelta{Remove: true, Binding: w})
	}
	return nil
}

func (b *bindings) finish() error {
	if b.now > MaxBindings && b.now > len(b.before) { // two at once may have made it more
		return tooManyBindings(b.now, b.on)
	}
	return b.c.keepOwners(b.gone)
}

// role returns a role that the resource's organization has.
func (b *bindings) role(id string) (*Role, error) {
	r, err := b.c.s.roleAt(b.c.view, id)
	if err != nil {
		return nil, err
	}
	if r == nil || r.OrganizationID != "" && r.OrganizationID != b.organization {
		return nil, &Error{Code: authz.Invalid, Reason: "ROLE_NOT_FOUND", Field: "role_id", Value: id,
			Message: fmt.Sprintf("there is no role %q in this organization", id), Fix: "pemba iam roles list shows all"}
	}
	return r, nil
}

func isNoRole(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == "ROLE_NOT_FOUND"
}

// mustFit refuses a role that is not for such resources or subjects.
func (r *Role) mustFit(on Resource, who Subject) error {
	if !r.isFor(on.Kind) {
		return &Error{Code: authz.Invalid, Reason: "ROLE_NOT_FOR_KIND", Field: "role_id", Value: r.ID,
			Message: fmt.Sprintf("the role %s cannot be granted on a %s", r.ID, on.Kind), Fix: "grant it on one of " + strings.Join(r.Kinds, ", ")}
	}
	if r.owner && who.Type == System {
		return invalid("subject", who.String(), "owners are users, service accounts and groups", "name them")
	}
	return nil
}
