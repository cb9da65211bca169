package iam

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

const (
	defaultDeleteDelay = 24 * time.Hour
	maxDeleteDelay     = 365 * 24 * time.Hour
	maxDeleters        = 16 // operations that wait for one deletion
)

// deletion is a job of many commands: to delete a folder or cloud with all that
// stands in it, or to sweep up behind something else that is gone. Each command
// leaves a state that the next can go on from, on any node.
type deletion struct {
	Resource    Resource `json:"resource"`
	Subject     Subject  `json:"subject,omitzero"`
	Operations  []string `json:"operations"` // that are done when it is
	DeleteAfter int64    `json:"deleteAfter,omitempty"`
}

func (d *deletion) key() string { return "deletion/" + d.Resource.String() + "/" + d.Subject.String() }

// isDue reports whether it may begin.
func (d *deletion) isDue(now int64) bool { return d.DeleteAfter <= now }

// listed puts the job in the row of all jobs.
func (d *deletion) listed() tuple.Tuple {
	return tuple.Tuple{Object: deletionsObject, Relation: holdsRelation, Subject: tuple.Subject{Type: recordType, ID: d.key()}}
}

// deletionsObject beside those of hours, see expiryBucket.
var deletionsObject = tuple.Object{Type: expiryType, ID: "deletions"}

func (c *change) file(d *deletion) {
	c.put(d.key(), d)
	c.add(d.listed())
}

// deleteLater makes the change one that deletes a folder or cloud after an
// instant, and returns what its state becomes.
func (c *change) deleteLater(r Resource, now Status, after int64) (Status, int64, error) {
	switch at := c.view.Time; {
	case after == 0:
		after = at + int64(defaultDeleteDelay)
	case after > at+int64(maxDeleteDelay):
		return now, 0, invalid("delete_after", "", "this is more than a year ahead", "name an earlier time")
	}
	if now == Deleting {
		return now, 0, beingDeleted(r)
	}
	d := deletion{Resource: r}
	if _, err := c.load(d.key(), &d); err != nil {
		return now, 0, err
	}
	if len(d.Operations) == maxDeleters {
		return now, 0, precondition("TOO_MANY_OPERATIONS", "too many operations wait for this deletion", "wait for them")
	}
	d.Operations, d.DeleteAfter = append(d.Operations, c.op.ID), after
	c.file(&d)
	c.op.Resource, c.op.Done, c.op.DeleteAfter = r, false, after
	if d.isDue(c.view.Time) {
		return Deleting, after, nil
	}
	return PendingDeletion, after, nil
}

// keepOwnersOutside refuses a deletion that would leave a cloud or organization
// without an owner: all who own it directly are accounts that stand in what goes.
// Who deletes the account of an owner must be one himself.
func (c *change) keepOwnersOutside(above, gone Resource) error {
	role := ownerOf(above.Kind)
	row := roleTuple(role, above, Subject{})
	inside, outside := false, false
	for t := range c.view.Tuples(tuple.Filter{Type: row.Object.Type, ID: row.Object.ID, Relation: row.Relation}) {
		who := subjectOf(t.Subject)
		path, err := pathOf(c.view, Resource{ServiceAccountKind, who.ID}) // of a user: itself
		if err != nil {
			return err
		}
		if who.Type == ServiceAccount && slices.Contains(path, gone) {
			inside = true
		} else {
			outside = outside || c.canOwn(who)
		}
	}
	if inside {
		if err := c.require(role, above); err != nil {
			return err
		}
	}
	if inside && !outside {
		return precondition("LAST_OWNER", fmt.Sprintf("all owners of %s would be deleted with %s", above, gone), "make somebody else an owner first")
	}
	c.write.Require = append(c.write.Require, c.sameRow(row.Object, row.Relation))
	return nil
}

// finish does the job of an operation that is not done, if it is due. Where that
// fails, or the call's time is up, the janitor goes on, and the operation is
// returned as it is.
func (s *Service) finish(ctx context.Context, op *Operation, err error, d deletion) (*Operation, error) {
	if err != nil || op.Done {
		return op, err
	}
	if err := s.pursue(ctx, d.key()); err != nil {
		s.config.Log.Info("a deletion goes on in the background", "deletion", d.key(), "error", err)
		return op, nil
	}
	v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
	if err != nil {
		return op, nil
	}
	var done Operation
	if found, err := load(v, operationKey(op.ID), &done); err != nil || !found {
		return op, err
	}
	done.Token = v.Token
	return &done, nil
}

// pursue does a job, if it is due, until it is done.
func (s *Service) pursue(ctx context.Context, key string) error {
	conflicts := 0
	for {
		more, err := s.pursueOnce(ctx, key)
		switch {
		case isConflict(err) && conflicts < maxTries:
			conflicts++
		case err != nil:
			return err
		case !more:
			return nil
		}
	}
}

// pursueOnce does one command of a job, and reports whether there may be more.
func (s *Service) pursueOnce(ctx context.Context, key string) (more bool, err error) {
	v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
	if err != nil {
		return false, err
	}
	c := s.work(ctx, v)
	var d deletion
	if found, err := c.load(key, &d); err != nil || !found || !d.isDue(v.Time) {
		return false, err
	}
	marked, err := c.markDeleting(d.Resource)
	if err != nil {
		return false, err
	}
	if !marked {
		w := newSweep(c)
		gone, err := w.drain(&d)
		if err != nil && len(c.write.Updates) == 0 {
			return false, err
		}
		if more = !gone || err != nil; !more {
			if err := c.end(&d, false); err != nil {
				return false, err
			}
		}
	}
	_, err = s.layer.Commit(ctx, janitor, c.write)
	return more || marked, err
}

// markDeleting makes a folder or cloud Deleting if it is not. After that has
// committed nothing new appears in it, and what a later view shows is all.
func (c *change) markDeleting(r Resource) (marked bool, err error) {
	switch r.Kind {
	case FolderKind:
		var f Folder
		found, err := c.load(folderKey(r.ID), &f)
		if err != nil || !found || f.Status == Deleting {
			return false, err
		}
		f.Status = Deleting
		c.put(folderKey(r.ID), &f)
		return true, nil
	case CloudKind:
		var cloud Cloud
		found, err := c.load(cloudKey(r.ID), &cloud)
		if err != nil || !found || cloud.Status == Deleting {
			return false, err
		}
		cloud.Status = Deleting
		c.put(cloudKey(r.ID), &cloud)
		return true, nil
	}
	return false, nil
}

// end ends a job with its operations.
func (c *change) end(d *deletion, canceled bool) error {
	c.drop(d.key())
	c.remove(d.listed())
	for _, id := range d.Operations {
		var op Operation
		found, err := c.load(operationKey(id), &op)
		if err != nil {
			return err
		}
		if found {
			op.Done, op.Canceled, op.ModifiedAt = true, canceled, c.view.Time
			c.put(operationKey(id), &op)
		}
	}
	return nil
}

// work is a change without a caller: what the janitor does.
func (s *Service) work(ctx context.Context, v *authz.LayerView) *change {
	return &change{ctx: ctx, s: s, call: &Call{}, view: v, caller: &Caller{}, needed: map[tuple.Key]bool{}, write: authz.LayerWrite{At: v}}
}

// janitor is who does the janitor's work, in the audit trail.
var janitor = authz.Caller{Name: "system:janitor"}
