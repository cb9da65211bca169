package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/pemba-authz/pemba/tuple"
)

// Client makes requests by another API than pemba's native one, so that a Load
// can drive other systems. Each method prepares a request, outside of what is
// timed, and returns what makes it. A Client is used by several callers at the
// same time; what it returns is called once.
//
// An error with the status RESOURCE_EXHAUSTED says that the server had no room.
type Client interface {
	Check(q Question) func(context.Context) (allowed bool, err error)
	Batch(q []Question) func(context.Context) (allowed []bool, err error)

	// ListObjects and ListSubjects yield the ids of a list to its end.
	ListObjects(q Question) func(ctx context.Context, yield func(id string)) error
	ListSubjects(q Question) func(ctx context.Context, yield func(id string)) error

	Write(touch, remove []tuple.Tuple) func(context.Context) error
}

// clientOps are what a Client can do.
var clientOps = []Op{Check, Batch, ListObjects, ListSubjects, Write}

// clientRequest returns the request of a caller that uses c, for one of clientOps.
func (l *Load) clientRequest(op Op, c Client, source *Source, random *rand.Rand) request {
	r := &foreignRequest{client: c, op: op, source: source, questions: make([]Question, l.batchOf(op))}
	switch op {
	case Batch:
		return &foreignBatch{foreignRequest: r}
	case ListObjects, ListSubjects:
		return &foreignList{foreignRequest: r, list: listing{population: source.population, op: op, random: random}}
	case Write:
		return &foreignWrite{foreignRequest: r, prefix: writerPrefix(), batch: l.batchOf(op)}
	}
	return &foreignCheck{foreignRequest: r}
}

// foreignRequest is what the requests of a Client have in common.
type foreignRequest struct {
	client    Client
	op        Op
	source    *Source
	questions []Question
}

func (r *foreignRequest) String() string { return r.questions[0].String() }

type foreignCheck struct {
	*foreignRequest
	call func(context.Context) (bool, error)
}

func (r *foreignCheck) prepare() {
	r.questions[0] = r.source.Next()
	r.call = r.client.Check(r.questions[0])
}

func (r *foreignCheck) do(ctx context.Context, due time.Time, t *tally) error {
	allowed, err := r.call(ctx)
	if err != nil {
		return err
	}
	t.answered(due, 1)
	t.decision(decisionOf(allowed))
	t.sample.keep(Answered{r.questions[0], t.op, decisionOf(allowed)})
	return nil
}

type foreignBatch struct {
	*foreignRequest
	call func(context.Context) ([]bool, error)
}

func (r *foreignBatch) prepare() {
	for i := range r.questions {
		r.questions[i] = r.source.Next()
	}
	r.call = r.client.Batch(r.questions)
}

func (r *foreignBatch) do(ctx context.Context, due time.Time, t *tally) error {
	allowed, err := r.call(ctx)
	if err != nil {
		return err
	}
	if len(allowed) != len(r.questions) {
		return fmt.Errorf("%d answers to a batch of %d", len(allowed), len(r.questions))
	}
	t.answered(due, len(r.questions))
	for _, a := range allowed {
		t.decision(decisionOf(a))
	}
	i := t.sample.random.IntN(len(r.questions))
	t.sample.keep(Answered{r.questions[i], t.op, decisionOf(allowed[i])})
	return nil
}

type foreignList struct {
	*foreignRequest
	call func(context.Context, func(string)) error
	list listing
}

func (r *foreignList) prepare() {
	r.questions[0] = r.source.Next()
	if r.op == ListObjects {
		r.call = r.client.ListObjects(r.questions[0])
	} else {
		r.call = r.client.ListSubjects(r.questions[0])
	}
}

func (r *foreignList) do(ctx context.Context, due time.Time, t *tally) error {
	slot := r.list.begin(r.questions[0], t)
	if err := r.call(ctx, r.list.add); err != nil {
		return err
	}
	return r.list.end(due, slot, t)
}

// foreignWrite is writeRequest by a Client.
type foreignWrite struct {
	*foreignRequest
	prefix           string
	batch            int
	touched, deleted int // requests
	removes          bool
	call             func(context.Context) error
}

func (r *foreignWrite) String() string { return fmt.Sprintf("write of %d tuples", r.batch) }

func (r *foreignWrite) prepare() {
	if r.removes = r.touched-r.deleted > liveWrites; r.removes {
		r.call = r.client.Write(nil, r.tuples(r.deleted))
	} else {
		r.call = r.client.Write(r.tuples(r.touched), nil)
	}
}

// tuples are those of the n-th request.
func (r *foreignWrite) tuples(n int) []tuple.Tuple {
	tuples := make([]tuple.Tuple, r.batch)
	for i := range tuples {
		number := n*r.batch + i
		tuples[i] = r.source.population.Scratch(r.prefix+"-i"+strconv.Itoa(number), r.prefix+"-u"+strconv.Itoa(number%100))
	}
	return tuples
}

func (r *foreignWrite) do(ctx context.Context, due time.Time, t *tally) error {
	if r.removes { // counted before the outcome is known: cleanUp deletes what may be there
		r.deleted++
	} else {
		r.touched++
	}
	if err := r.call(ctx); err != nil {
		return err
	}
	t.answered(due, r.batch)
	return nil
}

func (r *foreignWrite) cleanUp(ctx context.Context) error {
	for n := max(0, r.deleted-1); n < r.touched; n++ {
		if err := r.client.Write(nil, r.tuples(n))(ctx); err != nil {
			return err
		}
	}
	return nil
}
