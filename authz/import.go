package authz

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// importWindow is how many batches of an import are on their way at a time.
const importWindow = 4

// maxImportID bounds the name of an import, in bytes.
const maxImportID = 128

// ImportRequest begins an import.
type ImportRequest struct {
	Tenant string
	ID     string // "" = it cannot be resumed
	Resume bool   // go on behind the last durable batch of the import of that ID
}

// Import writes batches of tuples in order. One goroutine calls Add and then
// Close, another calls Next.
//
// An import with an id keeps its progress in a record, written with each batch
// under the condition that it is as the batch before left it: so no batch takes
// effect without those before it, nor twice, and a second import of the id
// makes the first one fail. See importrecord.go.
type Import struct {
	service     *Service
	by          Caller
	tenant      string
	incarnation uint64
	key         string   // of the record, "" = none
	nonce       [16]byte // tells this run from others of the id

	added   uint64            // sequence of the last batch added
	last    []byte            // the record's value behind that batch
	flight  chan *importBatch // in order; closed by Close
	mu      sync.Mutex        // held while batches are submitted
	waiting []*importBatch    // guarded by mu; submitted and not settled, oldest first

	durable uint64
	kept    []byte // the record's value behind the batch that is durable
	token   string
}

type importBatch struct {
	sequence      uint64
	value, before []byte // the record's, behind it and behind the batch before
	updates       []Update
	command       store.Command
	pending       cluster.Pending
}

// Import begins or resumes an import. Progress says where it begins.
func (s *Service) Import(ctx context.Context, by Caller, r ImportRequest) (*Import, error) {
	name, err := s.tenantName(r.Tenant)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, name, Consistency{Level: Latest})
	if err != nil {
		return nil, err
	}
	if _, _, err := s.graphOf(ctx, v); err != nil {
		return nil, err
	}
	i := &Import{service: s, by: by, tenant: name, incarnation: v.Incarnation(), flight: make(chan *importBatch, importWindow)}
	if r.ID == "" {
		if r.Resume {
			return nil, &Error{Code: Invalid, Reason: "MISSING_FIELD", Field: "import_id", Message: "import_id is missing", Fix: "name the import that is to be resumed"}
		}
		return i, nil
	}
	if !validImportID(r.ID) {
		return nil, &Error{Code: Invalid, Reason: "INVALID_FIELD", Field: "import_id", Value: r.ID,
			Message: "this cannot name an import", Fix: fmt.Sprintf("use 1 to %d letters, digits, '-', '_', '.' and ':'", maxImportID)}
	}
	i.key = importKey + r.ID
	if _, err := rand.Read(i.nonce[:]); err != nil {
		return nil, internal(err)
	}
	if value, _, ok := v.Record(i.key); !ok {
		if err := i.makeRoom(ctx, v); err != nil {
			return nil, err
		}
	} else if r.Resume {
		was, err := parseImportRecord(value)
		if err != nil {
			return nil, internal(err)
		}
		i.durable, i.token = was.sequence, s.token(v)
	}
	i.added = i.durable
	return i, i.takeOver(ctx)
}

func validImportID(id string) bool {
	return len(id) <= maxImportID && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == ""
}

// takeOver makes the record this run's, so that an earlier run cannot go on.
// What that one has written meanwhile is written again, which changes nothing.
func (i *Import) takeOver(ctx context.Context) error {
	i.kept = i.record(i.durable)
	i.last = i.kept
	_, err := i.service.propose(ctx, i.recordCommand(i.kept))
	return err
}

// Progress returns the sequence of the last batch that is durable, with all
// before it, and the token of a view that has them; 0 and "" = none. It is for
// the goroutine that calls Next.
func (i *Import) Progress() (sequence uint64, token string) { return i.durable, i.token }

// Add submits a batch. It waits while too many are on their way. An error is
// about this batch; those before it are not settled by it.
func (i *Import) Add(ctx context.Context, sequence uint64, tuples []tuple.Tuple) error {
	if sequence <= i.added {
		return &Error{Code: Invalid, Reason: "INVALID_FIELD", Field: "batch.sequence", Value: fmt.Sprint(sequence),
			Message: fmt.Sprintf("sequence %d is not larger than %d, that of the batch before", sequence, i.added), Fix: "count the tuples or lines so far"}
	}
	b := &importBatch{sequence: sequence, value: i.record(sequence), before: i.last, updates: make([]Update, len(tuples))}
	for k, t := range tuples {
		b.updates[k] = Update{Op: Touch, Tuple: t}
	}
	if err := i.enqueue(ctx, b); err != nil {
		return err
	}
	i.added, i.last = sequence, b.value
	select {
	case i.flight <- b:
		return nil
	case <-ctx.Done():
		return contextError(context.Cause(ctx))
	}
}

func (i *Import) enqueue(ctx context.Context, b *importBatch) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.submit(ctx, b); err != nil {
		return err
	}
	i.waiting = append(i.waiting, b)
	return nil
}

// Close says that no batch follows.
func (i *Import) Close() { close(i.flight) }

// submit validates b against the schema that this node has and hands it to the
// proposer.
func (i *Import) submit(ctx context.Context, b *importBatch) error {
	seen := i.service.node.Store().Revision()
	c, err := i.service.writeCommand(ctx, i.tenant, i.by, WriteRequest{Updates: b.updates})
	if err != nil {
		var again bool
		if again, err = i.service.mayRevalidate(ctx, seen, err); again {
			c, err = i.service.writeCommand(ctx, i.tenant, i.by, WriteRequest{Updates: b.updates})
		}
	}
	if err != nil {
		return inBatch(err)
	}
	if c.Incarnation != i.incarnation {
		return unknownTenant(i.tenant)
	}
	if i.key != "" {
		own := i.recordCommand(b.value, store.Precondition{Kind: store.PreRecordEquals, Record: i.key, Value: b.before})
		c.Records, c.Preconditions = own.Records, own.Preconditions
	}
	b.command = c
	if b.pending, err = i.service.node.Submit(ctx, c); err != nil {
		return inBatch(proposeError(err))
	}
	return nil
}

// inBatch moves an error about an update of a write to the tuple of the batch.
func inBatch(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	moved := *e
	if rest, ok := strings.CutPrefix(e.Field, "updates"); ok {
		at, below, _ := strings.Cut(rest, ".tuple")
		moved.Field = "batch.tuples" + at + below
	}
	return &moved
}

// Next waits until the oldest batch is durable; false = there is none left and
// Close was called. With an error the import is over: nothing behind Progress
// can be relied on, though some of it may have happened.
func (i *Import) Next(ctx context.Context) (bool, error) {
	var b *importBatch
	select {
	case next, ok := <-i.flight:
		if !ok {
			return false, nil
		}
		b = next
	case <-ctx.Done():
		return false, contextError(context.Cause(ctx))
	}
	rev, err := i.settle(ctx, b)
	if err != nil {
		return false, err
	}
	i.mu.Lock()
	i.waiting = i.waiting[1:]
	i.mu.Unlock()
	i.durable, i.kept, i.token = b.sequence, b.value, i.service.tokenAt(i.incarnation, rev)
	return true, nil
}

func (i *Import) settle(ctx context.Context, b *importBatch) (rev uint64, err error) {
	for range maxRevalidations {
		out, err := b.pending.Wait(ctx)
		switch {
		case err != nil:
			return 0, inBatch(proposeError(err))
		case out.Code == store.OK:
			return out.Revision, nil
		case out.Code == store.CodePrecondition:
			return 0, &Error{Code: FailedPrecondition, Reason: "IMPORT_CONFLICT", Field: "import_id", Value: strings.TrimPrefix(i.key, importKey),
				Message: "another import of this name has begun", Fix: "let that one finish, or resume again"}
		case out.Code != store.CodeSchemaChanged:
			return 0, inBatch(outcomeError(out, &b.command))
		}
		if err := i.service.node.Wait(ctx, out.Revision); err != nil {
			return 0, nodeError(err)
		}
		if err := i.again(ctx); err != nil {
			return 0, err
		}
	}
	return 0, schemaBusy()
}

// again submits all batches that are on their way once more, in their order,
// once they are all settled: those behind one that failed have failed, too, or,
// without an id, may be repeated.
func (i *Import) again(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, b := range i.waiting {
		if _, err := b.pending.Wait(ctx); err != nil {
			return inBatch(proposeError(err))
		}
	}
	for _, b := range i.waiting {
		if err := i.submit(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// Finish ends an import whose batches are all durable: its progress is
// forgotten.
func (i *Import) Finish(ctx context.Context) error {
	if i.key == "" {
		return nil
	}
	out, err := i.service.replicate(ctx, i.recordCommand(nil, store.Precondition{Kind: store.PreRecordEquals, Record: i.key, Value: i.kept}))
	if err != nil {
		return proposeError(err)
	}
	if out.Code != store.OK && out.Code != store.CodePrecondition {
		return outcomeError(out, &store.Command{Tenant: i.tenant})
	}
	return nil
}
