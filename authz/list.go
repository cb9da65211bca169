package authz

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/tuple"
)

// ListObjectsRequest asks for the objects of a type on which a subject has a
// permission.
type ListObjectsRequest struct {
	Tenant           string
	Type, Permission string
	Subject          tuple.Subject
	Implied          []tuple.Subject // see Question
	Context          map[string]any
	Contextual       []tuple.Tuple
	Consistency      Consistency // Any with a Cursor
	Prefix           string      // only ids that begin with it
	Limit            int         // results; 0 = no bound
	Cursor           string      // of an earlier answer to the same request
}

// ListSubjectsRequest asks for the subjects that have a permission on an object.
type ListSubjectsRequest struct {
	Tenant         string
	Object         tuple.Object
	Permission     string
	Type, Relation string // of the subjects; Relation "" = single subjects, else usersets
	Context        map[string]any
	Contextual     []tuple.Tuple
	Consistency    Consistency
	Prefix         string
	Limit          int
	Cursor         string
}

// Listed is one result of a list. Err, if any, is an *Error that says why this
// one could not be decided.
type Listed = graph.Listed

// List is an answer that comes bit by bit, all of it at one view and one time.
// It holds memory as long as it is held. One goroutine uses it.
type List struct {
	Token    string
	Revision uint64
	Time     int64

	page  *page
	limit int
	walk  func(ctx context.Context, skip uint64, yield func(Listed) bool) error
	noIDs bool   // results are only counted
	at    uint64 // position behind the last result
	done  bool   // everything has been listed
}

// ListObjects returns the objects on which Check would not answer "denied".
func (s *Service) ListObjects(ctx context.Context, r ListObjectsRequest) (*List, error) {
	d := newDigest("objects")
	d.add(r.Tenant, r.Type, r.Permission, r.Subject.String(), r.Prefix)
	for _, implied := range r.Implied {
		d.add(implied.String())
	}
	if err := d.addFacts(r.Context, r.Contextual); err != nil {
		return nil, err
	}
	l, err := s.list(ctx, r.Tenant, r.Consistency, r.Cursor, d.sum())
	if err != nil {
		return nil, err
	}
	l.limit = r.Limit
	q := graph.ObjectsQuestion{
		Type: r.Type, Permission: r.Permission, Subjects: append([]tuple.Subject{r.Subject}, r.Implied...),
		Context: r.Context, Contextual: r.Contextual, Now: l.Time, Limits: s.opts.Limits, Prefix: r.Prefix,
	}
	l.walk = func(ctx context.Context, skip uint64, yield func(Listed) bool) error {
		q.Skip, q.NoIDs = skip, l.noIDs
		_, err := l.page.graph.ListObjects(ctx, l.page.view, &q, yield)
		return err
	}
	return l, nil
}

// ListSubjects returns the subjects for which Check would not answer "denied".
func (s *Service) ListSubjects(ctx context.Context, r ListSubjectsRequest) (*List, error) {
	d := newDigest("subjects")
	d.add(r.Tenant, r.Object.String(), r.Permission, r.Type, r.Relation, r.Prefix)
	if err := d.addFacts(r.Context, r.Contextual); err != nil {
		return nil, err
	}
	l, err := s.list(ctx, r.Tenant, r.Consistency, r.Cursor, d.sum())
	if err != nil {
		return nil, err
	}
	l.limit = r.Limit
	q := graph.SubjectsQuestion{
		Object: r.Object, Permission: r.Permission, Type: r.Type, Relation: r.Relation,
		Context: r.Context, Contextual: r.Contextual, Now: l.Time, Limits: s.opts.Limits, Prefix: r.Prefix,
	}
	l.walk = func(ctx context.Context, skip uint64, yield func(Listed) bool) error {
		q.Skip, q.NoIDs = skip, l.noIDs
		_, err := l.page.graph.ListSubjects(ctx, l.page.view, &q, yield)
		return err
	}
	return l, nil
}

func (s *Service) list(ctx context.Context, tenant string, c Consistency, from string, query [16]byte) (*List, error) {
	p, err := s.page(ctx, tenant, c, from, query)
	if err != nil {
		return nil, err
	}
	l := &List{Token: s.token(p.view), Revision: p.view.Revision(), Time: p.now, page: p}
	if p.place == nil {
		return l, nil
	}
	at, n := binary.Uvarint(p.place)
	if n != len(p.place) || n <= 0 {
		return nil, internal(fmt.Errorf("cursor of a list has place %x", p.place))
	}
	l.at = at
	return l, nil
}

// Each yields the results, each once, until the limit is reached or yield
// returns false. Every error is an *Error.
func (l *List) Each(ctx context.Context, yield func(Listed) bool) error {
	left, stopped := l.limit, false
	err := l.walk(ctx, l.at, func(r Listed) bool {
		if l.limit > 0 && left == 0 { // there is one more
			stopped = true
			return false
		}
		left--
		l.at = r.Position
		if r.Err != nil {
			r.Err = questionError(r.Err)
		}
		stopped = !yield(r)
		return !stopped
	})
	if err != nil {
		return listError(err)
	}
	l.done = !stopped
	return nil
}

// Cursor continues behind the last result; "" once everything is listed.
func (l *List) Cursor() string {
	if l.done {
		return ""
	}
	return l.page.cursor(binary.AppendUvarint(nil, l.at))
}

// listError translates why a list could not go on.
func listError(err error) *Error {
	e := questionError(err)
	if e.Reason == "READS_LIMIT" {
		e.Fix = "the list reads more than one call may; list a narrower type or permission"
	}
	return e
}
