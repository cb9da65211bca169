package iam

import (
	"fmt"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// How much one command of a sweep changes: far less than the engine allows, so
// that no single one holds up the others. Variables for tests.
var (
	sweepTuples  = 2_000
	sweepRecords = 250 // each of them a precondition as well
)

// A sweep collects in a change what is to go: everything that names something
// that is deleted. What one command cannot hold is left for another.
type sweep struct {
	c    *change
	gone map[tuple.Key]bool
}

func newSweep(c *change) *sweep { return &sweep{c, map[tuple.Key]bool{}} }

func (w *sweep) isFull() bool {
	return len(w.c.write.Updates) >= sweepTuples || len(w.c.write.Records) >= sweepRecords
}

// tuples removes the tuples that f selects, but for those of a relation, and
// reports whether that is all of them.
func (w *sweep) tuples(f tuple.Filter, but string) bool {
	for t := range w.c.view.Tuples(f) {
		if t.Relation == but || w.gone[t.Key()] {
			continue
		}
		if w.isFull() {
			return false
		}
		w.gone[t.Key()] = true
		w.c.remove(t)
	}
	return true
}

// subject removes all that was granted to somebody, and his memberships.
func (w *sweep) subject(who Subject) bool {
	f := grantedTo(who)
	if !w.tuples(f, "") {
		return false
	}
	if who.Type == GroupSubject {
		return w.tuples(tuple.Filter{Type: groupType, ID: who.ID}, "")
	}
	f.Type = groupType
	return w.tuples(f, "")
}

// grantedTo selects the tuples of resources that name a subject: his bindings, and
// what he is there besides.
func grantedTo(who Subject) tuple.Filter {
	t := who.tuple()
	f := tuple.Filter{Type: resourceType, SubjectType: t.Type, SubjectID: t.ID, SubjectRelation: t.Relation}
	if t.Relation == "" {
		f.SubjectRelation = tuple.Plain
	}
	return f
}

// place removes the bindings on a resource, and at last its place. Who looks for
// what is left below its parent finds the resource until then.
func (w *sweep) place(r Resource) bool {
	f := tuple.Filter{Type: resourceType, ID: r.String()}
	return w.tuples(f, parentRelation) && w.tuples(f, "")
}

// within removes what stands in an account: its keys, and what services keep of
// its credentials. In these stands nothing.
func (w *sweep) within(account Resource) bool {
	to := account.subject()
	for t := range w.c.view.Tuples(tuple.Filter{Type: resourceType, Relation: parentRelation, SubjectType: to.Type, SubjectID: to.ID}) {
		if w.gone[t.Key()] {
			continue
		}
		if w.isFull() {
			return false
		}
		r := resourceOf(t.Object.ID)
		if r.Kind == KeyKind {
			w.c.drop(keyKey(r.ID))
		}
		if !w.place(r) {
			return false
		}
	}
	return true
}

// all removes what names a resource and the subject that it is, zero = none.
// Subjects come first: what they were granted goes before who is in a group.
func (w *sweep) all(r Resource, who Subject) bool {
	if who != (Subject{}) && !w.subject(who) {
		return false
	}
	if r.Kind == ServiceAccountKind && !w.within(r) {
		return false
	}
	return r == (Resource{}) || w.place(r)
}

// sweep removes what names something that the change deletes: bindings on the
// resource and its place; roles and memberships of the subject, which is zero if
// there is none; keys of an account. What is too much for one command becomes a
// job, and the operation is not done before it is.
//
// What is added while the change is on its way is found an hour later: nothing
// that names what is not there gives anybody anything.
func (c *change) sweep(r Resource, who Subject) error {
	if who != (Subject{}) {
		if err := c.mayEnd(who); err != nil {
			return err
		}
	}
	if !newSweep(c).all(r, who) {
		c.file(&deletion{Resource: r, Subject: who, Operations: []string{c.op.ID}})
		c.op.Done = false
	}
	c.sweepLater(r, who)
	return nil
}

// mayEnd refuses to end what somebody can do, where he is an owner and the caller
// is not, or where nobody else is.
func (c *change) mayEnd(who Subject) error {
	if err := c.mustOwnWhat(who); err != nil {
		return err
	}
	return c.keepOwnersWithout(who)
}

// mustOwnWhat refuses a caller who would take from somebody the role of an owner,
// or give it by letting others into a group that has it, and who does not have
// that role there himself.
func (c *change) mustOwnWhat(who Subject) error {
	for _, role := range []string{CloudOwner, OrganizationOwner} {
		f := grantedTo(who)
		f.Relation = catalogue.RelationOf(role)
		none := true
		for t := range c.view.Tuples(f) {
			none = false
			if err := c.require(role, resourceOf(t.Object.ID)); err != nil {
				return err
			}
		}
		if none {
			c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.NoTuple, Filter: f})
		}
	}
	return nil
}

// stragglers is the record of what is to be looked for again.
type stragglers struct {
	Resource Resource `json:"resource,omitzero"`
	Subject  Subject  `json:"subject,omitzero"`
}

const stragglersPrefix = "stragglers/"

func (c *change) sweepLater(r Resource, who Subject) {
	key := stragglersPrefix + r.String() + "/" + who.String()
	if _, filed := c.view.Record(key); !filed {
		c.put(key, stragglers{r, who})
		c.expire(key, 0)
	}
}

// mustBeUnused refuses to delete an account that a resource runs as.
func (c *change) mustBeUnused(a *Account) error {
	f := grantedTo(Subject{ServiceAccount, a.ID})
	f.Relation = accountRelation
	for by := range c.view.Tuples(f) {
		e := precondition("ACCOUNT_IN_USE", fmt.Sprintf("%s runs as the service account %s", resourceOf(by.Object.ID), a.ID), "change or delete it first")
		e.Metadata = map[string]string{"resource": by.Object.ID}
		return e
	}
	c.write.Require = append(c.write.Require, authz.Requirement{Kind: authz.NoTuple, Filter: f})
	return nil
}
