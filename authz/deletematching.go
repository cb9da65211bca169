package authz

import (
	"context"
	"errors"
	"slices"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

const (
	defaultDeletions = 1_000_000
	deleteBatch      = 2_000
	deleteBytes      = 512 << 10 // of the keys in a batch
	expiredBatch     = 500       // each with a precondition of its own
)

// DeleteMatchingRequest says which tuples are deleted.
type DeleteMatchingRequest struct {
	Tenant  string
	Filter  tuple.Filter
	Limit   uint64 // tuples; 0 = 1,000,000
	Expired bool   // only tuples that have expired
}

// Deletion tells how far a DeleteMatching is.
type Deletion struct {
	Deleted  uint64
	Complete bool   // nothing that matched at the beginning is left
	Token    string // of the first view without them
}

// DeleteMatching deletes the tuples that the filter selects in the newest view,
// those that have expired among them, in many writes, and calls progress after
// each and at the end. It is not atomic: after an error, what progress told of
// is deleted. A tuple that is written anew meanwhile may be deleted, too, unless
// only expired ones are; but not one of another tenant of that name, created
// meanwhile.
func (s *Service) DeleteMatching(ctx context.Context, by Caller, r DeleteMatchingRequest, progress func(Deletion) error) error {
	reading, err := s.Read(ctx, ReadRequest{Tenant: r.Tenant, Filter: r.Filter, Consistency: Consistency{Level: Latest}})
	if err != nil {
		return err
	}
	reading.expired = true // they are stored, and stand in the way of a schema
	d := &deleting{
		service: s, by: by, tenant: r.Tenant, incarnation: reading.page.view.Incarnation(), expired: r.Expired,
		progress: progress, done: Deletion{Token: reading.Token},
	}
	limit := r.Limit
	if limit == 0 {
		limit = defaultDeletions
	}
	full, failed := false, error(nil)
	err = reading.Each(ctx, func(t tuple.Tuple) bool {
		if r.Expired && (t.Expires == 0 || t.Expires > reading.page.now) {
			return true
		}
		if full = d.done.Deleted+uint64(len(d.batch)) == limit; full {
			return false
		}
		failed = d.add(ctx, t)
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if err := d.flush(ctx); err != nil {
		return err
	}
	d.done.Complete = !full
	return progress(d.done)
}

// deleting is a DeleteMatching under way.
type deleting struct {
	service     *Service
	by          Caller
	tenant      string
	incarnation uint64
	expired     bool // what is not expired any more is spared
	progress    func(Deletion) error

	done  Deletion
	batch []Update
	size  int // bytes of the keys in batch
}

func (d *deleting) add(ctx context.Context, t tuple.Tuple) error {
	d.batch = append(d.batch, Update{Op: Delete, Tuple: tuple.Tuple{Object: t.Object, Relation: t.Relation, Subject: t.Subject}})
	d.size += len(t.Object.ID) + len(t.Subject.ID)
	most := deleteBatch
	if d.expired {
		most = expiredBatch
	}
	if len(d.batch) < most && d.size < deleteBytes {
		return nil
	}
	return d.flush(ctx)
}

// flush writes what has gathered, without the tuples that were written anew if
// only expired ones are deleted: that is a condition of the write.
func (d *deleting) flush(ctx context.Context) error {
	for len(d.batch) > 0 {
		r := WriteRequest{Tenant: d.tenant, Updates: d.batch}
		if d.expired {
			r.Preconditions = absentOrExpired(d.batch)
		}
		token, err := d.service.write(ctx, d.by, r, d.incarnation)
		if err == nil {
			d.done.Deleted, d.done.Token = d.done.Deleted+uint64(len(d.batch)), token
			d.batch, d.size = d.batch[:0], 0
			return d.progress(d.done)
		}
		var refused *store.OutcomeError
		if !d.expired || !errors.As(err, &refused) || refused.Outcome.Code != store.CodePrecondition {
			return err
		}
		d.batch = slices.Delete(d.batch, refused.Outcome.Index, refused.Outcome.Index+1)
	}
	d.size = 0
	return nil
}

// absentOrExpired demands of each tuple that it is either: a filter selects no
// tuple that has expired.
func absentOrExpired(updates []Update) []Precondition {
	out := make([]Precondition, len(updates))
	for i, u := range updates {
		k := u.Tuple
		f := tuple.Filter{Type: k.Object.Type, ID: k.Object.ID, Relation: k.Relation,
			SubjectType: k.Subject.Type, SubjectID: k.Subject.ID, SubjectRelation: k.Subject.Relation}
		if f.SubjectRelation == "" {
			f.SubjectRelation = tuple.Plain
		}
		out[i] = Precondition{Kind: TuplesAbsent, Filter: f}
	}
	return out
}
