package client

import (
	"context"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// Merging says whether checks that are under way at the same time share
// messages. What they answer, and how they fail, is the same either way.
type Merging uint8

const (
	// MergeAuto merges unless there are DialOptions: those may be interceptors,
	// credentials or statistics that are meant to see each check.
	MergeAuto Merging = iota

	// MergeAlways merges in any case. Interceptors see one long stream.
	MergeAlways

	// MergeNever sends each check by itself, as behind a proxy that spreads calls
	// over servers.
	MergeNever
)

// merges reports whether checks are merged.
func (c *Config) merges() bool {
	return c.Merge == MergeAlways || c.Merge == MergeAuto && len(c.DialOptions) == 0
}

// mergeable reports whether a question may travel with others. What belongs to
// one call only, and what could spoil a message for all, goes by itself.
func mergeable(ctx context.Context, r *CheckRequest, contextJSON string) bool {
	if len(r.Contextual) > 0 || !utf8.ValidString(r.Tenant) {
		return false
	}
	size := 0
	for _, s := range [...]string{
		r.Object.Type, r.Object.ID, r.Permission, r.Subject.Type, r.Subject.ID, r.Subject.Relation, contextJSON,
	} {
		if size += len(s); size > maxMergedText || !utf8.ValidString(s) {
			return false
		}
	}
	_, has := metadata.FromOutgoingContext(ctx)
	return !has && ctx.Err() == nil
}

// checkMerged asks in company. What does not end well there goes on as a check
// by itself does after its first attempt.
func (c *Client) checkMerged(ctx context.Context, r *CheckRequest, at Consistency, contextJSON string) (Answer, error) {
	now := time.Now()
	end, has := ctx.Deadline()
	if !has {
		end = now.Add(c.config.Timeout)
	}
	w := c.way()
	s := w.next()
	q := mergedChecks.Get().(*mergedCheck)
	if !s.merger.enter(q, laneKey{c.tenant(r.Tenant), at}, r, contextJSON, now, end) {
		mergedChecks.Put(q)
		return c.checkAlone(ctx, c.way(), end, r, at)
	}
	patience := c.config.HedgeAfter
	if patience < 0 {
		patience = end.Sub(now)
	}
	switch q.wait(ctx, now, end, patience, func(now time.Time) bool { return c.mayHedge(s, now) }) {
	case gone:
		return Answer{}, c.over(ctx, s)
	case late:
		return c.checkBeside(ctx, q, w, s, end, r, at)
	}
	defer q.release()
	err := q.failure(s.addr)
	if err == nil {
		s.answered()
		return q.result()
	}
	if q.broken != nil && cureOf(errorOf(s.addr, err)) != elsewhere {
		return c.checkAlone(ctx, c.way(), end, r, at) // the stream is not taken; the question may be
	}
	return c.checkAfter(ctx, w, s, err, end, r, at)
}

// checkAlone is a check with a message of its own, from where w has come to.
func (c *Client) checkAlone(ctx context.Context, w way, end time.Time, r *CheckRequest, at Consistency) (Answer, error) {
	ctx, cancel := until(ctx, end)
	defer cancel()
	return c.checkOn(ctx, w, r, at)
}

// checkAfter is checkAlone after an attempt that ended with an error.
func (c *Client) checkAfter(ctx context.Context, w way, by *server, err error, end time.Time, r *CheckRequest, at Consistency) (Answer, error) {
	ctx, cancel := until(ctx, end)
	defer cancel()
	if err := w.failed(ctx, by, err); err != nil {
		return Answer{}, err
	}
	return c.checkOn(ctx, w, r, at)
}

func (c *Client) checkOn(ctx context.Context, w way, r *CheckRequest, at Consistency) (Answer, error) {
	message, err := c.checkMessage(r, at)
	if err != nil {
		return Answer{}, err
	}
	reply, err := c.readOn(ctx, &w, pb.PermissionService_Check_FullMethodName, message, new(pb.CheckResponse))
	if err != nil {
		return Answer{}, err
	}
	return answerFrom(reply.(*pb.CheckResponse))
}

// until gives ctx an end, unless it has one.
func until(ctx context.Context, end time.Time) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end)
}

// over is the error of a call whose time was over, or whose caller left, before
// s answered.
func (c *Client) over(ctx context.Context, s *server) error {
	err := ctx.Err()
	if err == nil {
		err = context.DeadlineExceeded
	}
	return c.final(ctx, errorOf(s.addr, err))
}

// mayHedge takes a place among hedges for a check that waits for s. Where there
// is no other server, that is only for a stream that says nothing at all.
func (c *Client) mayHedge(s *server, now time.Time) bool {
	if c.config.HedgeAfter < 0 || len(c.servers) == 1 && !s.merger.isSilent(now, c.config.HedgeAfter) {
		return false
	}
	if c.hedging.Add(1) > maxHedging && !s.down.Load() {
		c.hedging.Add(-1)
		return false
	}
	return true
}

// checkBeside asks by itself, elsewhere if there is another server, while q is
// on its way to s. The first answer counts.
func (c *Client) checkBeside(ctx context.Context, q *mergedCheck, w way, s *server, end time.Time, r *CheckRequest, at Consistency) (Answer, error) {
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	if w.tried == c.all() {
		w = c.way()
	}
	type outcome struct {
		answer Answer
		err    error
	}
	alone, question := make(chan outcome, 1), *r
	go func() {
		defer c.hedging.Add(-1)
		a, err := c.checkOn(ctx, w, &question, at)
		alone <- outcome{a, err}
	}()
	var second *outcome
	select {
	case o := <-alone:
		if o.err == nil {
			if !q.leave() {
				q.release()
			}
			if len(c.servers) > 1 && s.slow.Add(1) >= tooSlow {
				c.suspect(s)
			}
			return o.answer, nil
		}
		second = &o
		select { // s may still do better
		case <-q.done:
		case <-ctx.Done():
			if q.leave() {
				return o.answer, o.err
			}
		}
	case <-q.done:
	}
	defer q.release()
	err := q.failure(s.addr)
	switch {
	case err == nil:
		s.answered()
		return q.result()
	case q.broken == nil && cureOf(errorOf(s.addr, err)) == nothing:
		return Answer{}, err
	case second == nil:
		o := <-alone
		second = &o
	}
	return second.answer, second.err
}
