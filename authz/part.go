package authz

import (
	"context"

	"github.com/pemba-authz/pemba/store"
)

// A Part begins a part of the work for one request, such as "propose", and
// returns how to end it with why it failed. It is for those who trace requests:
// ctx is the request's, or a successor of it, and so is what it returns.
type Part func(ctx context.Context, name string) (context.Context, func(error))

func (s *Service) part(ctx context.Context, name string) (context.Context, func(error)) {
	if s.opts.Part == nil {
		return ctx, func(error) {}
	}
	return s.opts.Part(ctx, name)
}

// replicate is the node's Propose.
func (s *Service) replicate(ctx context.Context, c store.Command) (store.Outcome, error) {
	ctx, done := s.part(ctx, "propose")
	out, err := s.node.Propose(ctx, c)
	done(err)
	return out, err
}

// readIndex returns once the store has applied what was committed at the call.
func (s *Service) readIndex(ctx context.Context) (err error) {
	ctx, done := s.part(ctx, "read index")
	defer func() { done(err) }()
	rev, err := s.node.ReadIndex(ctx)
	if err != nil {
		return err
	}
	return s.node.Wait(ctx, rev)
}

// awaitRevision returns once the store has applied rev, and fails at once if the
// cluster has not committed it.
func (s *Service) awaitRevision(ctx context.Context, rev uint64) (err error) {
	ctx, done := s.part(ctx, "wait for revision")
	defer func() { done(err) }()
	if err := s.node.CheckAhead(ctx, rev); err != nil {
		return err
	}
	return s.node.Wait(ctx, rev)
}
