package authz

import (
	"context"
	"slices"
	"time"

	"github.com/pemba-authz/pemba/store"
)

// WatchRequest asks for changes.
type WatchRequest struct {
	Tenant string
	From   string   // a token: changes later than its revision; "" = later than now
	Types  []string // of objects; empty = all
}

// TupleChange is a tuple that came, changed or went.
type TupleChange = store.TupleChange

// WatchedRevision is what changed at one revision. Without changes it only says
// that everything up to the token has been seen.
type WatchedRevision struct {
	Token  string
	Tuples []TupleChange
	Schema bool // the schema changed
}

// Watch is a stream of revisions. One goroutine uses it.
type Watch struct {
	service     *Service
	tenant      string
	incarnation uint64
	life        uint64 // incarnation of the cluster
	types       []string
	at          uint64 // everything up to this revision has been seen
	ready       []store.Revision
	next        uint64 // at, once ready is seen
}

// maxWatched bounds the changes that a watch holds at a time, unless one
// revision has more.
const maxWatched = 4096

// watchStep is how many revisions a watch reads at a time: whether it is still
// wanted is looked at in between.
var watchStep = uint64(4096) // a variable for tests

// Watch begins to watch a tenant.
func (s *Service) Watch(ctx context.Context, r WatchRequest) (*Watch, error) {
	name, err := s.tenantName(r.Tenant)
	if err != nil {
		return nil, err
	}
	w := &Watch{service: s, tenant: name, types: r.Types}
	if r.From == "" {
		v, err := s.view(ctx, name, Consistency{})
		if err != nil {
			return nil, err
		}
		w.at, w.incarnation = v.Revision(), v.Incarnation()
	} else {
		if w.at, err = s.since(ctx, name, r.From, "from"); err != nil {
			return nil, err
		}
		p, _ := parseToken(r.From)
		w.incarnation = p.tenant
	}
	_, w.life = s.life()
	w.next = w.at
	return w, nil
}

// Token says up to where everything has been seen.
func (w *Watch) Token() string { return w.service.tokenAt(w.incarnation, w.at) }

// Next returns the next revision with changes that the request asks for, or,
// when there is none for the given time, one without changes.
func (w *Watch) Next(ctx context.Context, patience time.Duration) (WatchedRevision, error) {
	timer, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for first := true; ; first = false {
		for len(w.ready) > 0 {
			r := w.ready[0]
			w.ready, w.at = w.ready[1:], r.Revision
			if r := w.chosen(r); r.Schema || len(r.Tuples) > 0 {
				r.Token = w.Token()
				return r, nil
			}
		}
		w.at = w.next
		err := ctx.Err()
		switch {
		case err != nil:
			return WatchedRevision{}, contextError(err)
		case !first && timer.Err() != nil:
			return WatchedRevision{Token: w.Token()}, nil
		}
		if err = w.service.node.Wait(timer, w.at+1); err == nil {
			err = w.read()
		} else if timer.Err() != nil && ctx.Err() == nil {
			return WatchedRevision{Token: w.Token()}, nil
		} else {
			err = nodeError(err)
		}
		if err != nil {
			return WatchedRevision{}, err
		}
	}
}

// chosen leaves out the changes that the request does not ask for.
func (w *Watch) chosen(r store.Revision) WatchedRevision {
	out := WatchedRevision{Schema: r.Schema, Tuples: r.Tuples}
	if len(w.types) > 0 {
		out.Tuples = slices.DeleteFunc(r.Tuples, func(c TupleChange) bool { return !slices.Contains(w.types, c.Tuple.Object.Type) })
	}
	return out
}

// read gets what has been applied since, or the first part of it.
func (w *Watch) read() error {
	s := w.service
	if _, life := s.life(); life != w.life {
		return &Error{Code: Invalid, Reason: "OLD_INCARNATION", Field: "from", Message: "this cluster was restored", Fix: "read anew and watch from there"}
	}
	upto := min(s.node.Store().Revision(), w.at+watchStep)
	ready, next, err := s.node.Store().Changes(w.tenant, w.incarnation, w.at, upto, maxWatched)
	if err != nil {
		return watchError(err)
	}
	w.ready, w.next = ready, next
	return nil
}

func watchError(err error) *Error {
	e := viewError(err)
	if e.Reason == "TOKEN_TOO_OLD" {
		e.Message, e.Fix = "the changes since that token are not kept any more", "read anew and watch from the token of that answer"
	}
	return e
}
