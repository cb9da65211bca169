package authz

import (
	"context"
	"errors"

	"github.com/pemba-authz/pemba/tuple"
)

const (
	defaultDeletions = 1_000_000
	deleteBatch      = 2_000
	deleteBytes      = 512 << 10 // of the keys in a batch
)

// DeleteMatchingRequest says which tuples are deleted.
type DeleteMatchingRequest struct {
	Tenant string
	Filter tuple.Filter
	Limit  uint64 // tuples; 0 = 1,000,000
}

// Deletion tells how far a DeleteMatching is.
type Deletion struct {
	Deleted  uint64
	Complete bool   // nothing that matched at the beginning is left
	Token    string // of the first view without them
}

// DeleteMatching deletes the tuples that the filter selects in the newest view,
// in many writes, and calls progress after each and at the end. It is not
// atomic: after an error, what progress told of is deleted. A tuple that is
// written anew meanwhile may be deleted, too, but not one of another tenant of
// that name, created meanwhile.
func (s *Service) DeleteMatching(ctx context.Context, by Caller, r DeleteMatchingRequest, progress func(Deletion) error) error {
	reading, err := s.Read(ctx, ReadRequest{Tenant: r.Tenant, Filter: r.Filter, Consistency: Consistency{Level: Latest}})
	if err != nil {
		return err
	}
	if r.Limit == 0 {
		r.Limit = defaultDeletions
	}
	done := Deletion{Token: reading.Token}
	var batch []Update
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		token, err := s.write(ctx, by, WriteRequest{Tenant: r.Tenant, Updates: batch}, reading.page.view.Incarnation())
		if err != nil {
			return err
		}
		done.Deleted, done.Token = done.Deleted+uint64(len(batch)), token
		batch, size = batch[:0], 0
		return progress(done)
	}
	full, failed := false, error(nil)
	err = reading.Each(func(t tuple.Tuple) bool {
		if full = done.Deleted+uint64(len(batch)) == r.Limit; full {
			return false
		}
		batch = append(batch, Update{Op: Delete, Tuple: tuple.Tuple{Object: t.Object, Relation: t.Relation, Subject: t.Subject}})
		size += len(t.Object.ID) + len(t.Subject.ID)
		if len(batch) == deleteBatch || size >= deleteBytes {
			failed = flush()
		}
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	done.Complete = !full
	return progress(done)
}
