package iam

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

const (
	janitorPeriod = 2 * time.Second
	// janitorLag is how many hours after a record may go it does, at least: enough
	// for clocks of nodes that differ.
	janitorLag = 1
	mostHours  = 1_000 // looked through in one step
	mostSwept  = 200   // records that go in one command
)

// janitorRecord is how far the janitor has come.
type janitorRecord struct {
	Hour int64 `json:"hour"` // up to this bucket of expiry all is gone
}

const janitorKey = "janitor"

// RunJanitor does what nobody waits for, until ctx ends: it deletes what is due,
// forgets operations, idempotency keys and revocations whose time has passed, and
// retires signing keys. Every node runs it; the one that leads acts. Each node
// prepares itself for new catalogues and custom roles.
func (s *Service) RunJanitor(ctx context.Context) {
	var follows sync.WaitGroup
	follows.Go(func() { s.layer.Follow(ctx) })
	defer follows.Wait()
	tick := time.NewTicker(janitorPeriod)
	defer tick.Stop()
	var told string // and when: what does not change is told once a minute
	var at time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.layer.IsLeader() {
			continue
		}
		err := s.clean(ctx)
		if err == nil || ctx.Err() != nil || err.Error() == told && time.Since(at) < time.Minute {
			continue
		}
		told, at = err.Error(), time.Now()
		s.config.Log.Warn("the janitor of the IAM layer could not do all its work, and tries again", "error", err)
	}
}

// hourOf returns the last hour whose records may go at an instant.
func hourOf(ns int64) int64 { return ns/int64(time.Hour) - janitorLag }

// clean does all that is to be done now. What fails does not keep the rest from
// being done.
func (s *Service) clean(ctx context.Context) error {
	v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
	if isNotFounded(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for t := range v.Tuples(tuple.Filter{Type: deletionsObject.Type, ID: deletionsObject.ID, Relation: holdsRelation}) {
		var d deletion
		if found, err := load(v, t.Subject.ID, &d); err != nil || !found || !d.isDue(v.Time) {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.pursue(ctx, t.Subject.ID))
	}
	for more := true; more && err == nil; {
		more, err = s.forget(ctx)
	}
	return errors.Join(append(errs, err, s.retireKeys(ctx))...)
}

func isNotFounded(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == "IAM_NOT_INITIALIZED"
}

// forget does one command's worth of what may be forgotten, and reports whether
// there may be more.
func (s *Service) forget(ctx context.Context) (more bool, err error) {
	v, err := s.view(ctx, authz.Consistency{Level: authz.Latest})
	if err != nil {
		return false, err
	}
	c := s.work(ctx, v)
	var at janitorRecord
	if _, err := c.load(janitorKey, &at); err != nil {
		return false, err
	}
	begin, upTo := at.Hour, hourOf(v.Time)
	w := newSweep(c)
	for at.Hour < min(upTo, begin+mostHours) && !w.isFull() {
		gone, err := w.hour(at.Hour + 1)
		if err != nil {
			return false, err
		}
		if !gone {
			break
		}
		at.Hour++
	}
	// Empty hours are noted once a day, so that an idle cluster writes nothing else.
	if len(c.write.Updates) == 0 && at.Hour < begin+24 {
		return false, nil
	}
	c.put(janitorKey, at)
	_, err = s.layer.Commit(ctx, janitor, c.write)
	if isConflict(err) {
		return true, nil
	}
	return at.Hour < upTo, err
}

// hour removes what is filed under an hour, as far as one command goes.
func (w *sweep) hour(hour int64) (gone bool, err error) {
	c := w.c
	o := expiryBucket((hour - 1) * int64(time.Hour))
	for t := range c.view.Tuples(tuple.Filter{Type: o.Type, ID: o.ID, Relation: holdsRelation}) {
		key := t.Subject.ID
		if len(c.write.Records) >= mostSwept || w.isFull() {
			return false, nil
		}
		if slices.ContainsFunc(c.write.Records, func(r authz.RecordUpdate) bool { return r.Key == key }) {
			return false, nil // twice in one command is not possible
		}
		done, err := w.expired(key)
		if err != nil || !done {
			return false, err
		}
		w.gone[t.Key()] = true
		c.remove(t)
	}
	return true, nil
}

// expired removes a record whose time has passed, with what goes with it.
func (w *sweep) expired(key string) (done bool, err error) {
	c := w.c
	switch {
	case strings.HasPrefix(key, "operation/"):
		var op Operation
		found, err := c.load(key, &op)
		if err != nil || !found {
			return err == nil, err
		}
		if !op.Done {
			c.expire(key, operationLife)
			return true, nil
		}
		if !w.tuples(tuple.Filter{Type: operationType, ID: op.ID}, "") {
			return false, nil
		}
	case strings.HasPrefix(key, stragglersPrefix):
		var left stragglers
		found, err := c.load(key, &left)
		if err != nil || !found {
			return err == nil, err
		}
		if done, err := w.stragglers(&left); err != nil || !done {
			return false, err
		}
	}
	c.drop(key)
	return true, nil
}

// stragglers removes what came to name something while that was being deleted.
func (w *sweep) stragglers(s *stragglers) (done bool, err error) {
	c := w.c
	if s.Resource != (Resource{}) {
		// Some ids are given by services, so there may be another one by now.
		if _, there := parentOf(c.view, s.Resource); there {
			return true, nil
		}
		c.write.Require = append(c.write.Require, c.sameRow(s.Resource.object(), parentRelation))
	}
	if s.Subject.Type == UserAccount || s.Subject.Type == FederatedUser {
		if _, there := c.view.Record(userKey(s.Subject.ID)); there {
			return true, nil
		}
	}
	return w.all(s.Resource, s.Subject), nil
}
