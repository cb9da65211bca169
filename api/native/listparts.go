package native

import (
	"context"

	"github.com/pemba-authz/pemba/authz"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A list comes in messages of so many results: a small one first, so that it
// comes at once, then larger ones, which cost less a result.
const (
	firstListPart = 16
	listPartGrows = 4
	mostListPart  = 512
)

// sendList sends the results, at least one message; or only how many there are.
func sendList[R any](ctx context.Context, list *authz.List, countOnly bool,
	fill func(*R, *authz.Listed), send func([]*R, authz.ListCount) error) error {
	if countOnly {
		n, err := list.Count(ctx)
		if err != nil {
			return err
		}
		return send(nil, n)
	}
	var n authz.ListCount
	var part listPart[R]
	var failed error
	err := list.Each(ctx, func(r authz.Listed) bool {
		n.Add(&r)
		fill(part.add(), &r)
		if part.isFull() {
			failed = send(part.take(), n)
		}
		return failed == nil
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	}
	return send(part.take(), n)
}

// listPart collects the results of one message after the other. A message's
// results are one piece of memory, and not used again: gRPC may hold them.
type listPart[R any] struct {
	results []*R
	room    []R
	size    int // of the last message's room
}

// add returns where a further result belongs.
func (p *listPart[R]) add() *R {
	if len(p.room) == 0 {
		p.size = max(firstListPart, min(listPartGrows*p.size, mostListPart))
		p.results, p.room = make([]*R, 0, p.size), make([]R, p.size)
	}
	r := &p.room[0]
	p.results, p.room = append(p.results, r), p.room[1:]
	return r
}

func (p *listPart[R]) isFull() bool { return len(p.room) == 0 }

// take returns what has been collected.
func (p *listPart[R]) take() []*R {
	results := p.results
	p.results, p.room = nil, nil
	return results
}

func (s *permissionServer) listedObject(to *pembav1.ListedObject, r *authz.Listed) {
	if to.Id = r.ID; r.Err != nil {
		to.Error = s.guard.itemError("", r.Err)
		return
	}
	to.Decision, to.MissingContext = decisionOf(r.Decision), r.Missing
}

func (s *permissionServer) listedSubject(to *pembav1.ListedSubject, r *authz.Listed) {
	if to.Id = r.ID; r.Err != nil {
		to.Error = s.guard.itemError("", r.Err)
		return
	}
	to.Decision, to.MissingContext = decisionOf(r.Decision), r.Missing
}
