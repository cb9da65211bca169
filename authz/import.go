package authz

import (
	"context"
	"crypto/rand"
	"encoding/binary"
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
// makes the first one fail.
type Import struct {
	service     *Service
	by          Caller
	tenant      string
	incarnation uint64
	key         string   // of the record, "" = none
	nonce       [16]byte // tells this run from others of the id

	added   uint64            // sequence of the last batch added
	flight  chan *importBatch // in order; closed by Close
	mu      sync.Mutex        // held while batches are submitted
	waiting []*importBatch    // guarded by mu; submitted and not settled, oldest first

	durable uint64
	token   string
}

type importBatch struct {
	sequence, before uint64 // of it and of the batch before
	updates          []Update
	command          store.Command
	pending          cluster.Pending
}

// Import begins or resumes an import. Progress says where it begins.
func (s *Service) Import(ctx context.Context, by Caller, r ImportRequest) (*Import, error) {
	name, err := tenantName(r.Tenant)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, name, Consistency{Level: Latest})
	if err != nil {
		return nil, err
	}
	if _, _, err := s.graphOf(v); err != nil {
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
	i.key = "import/" + r.ID
	if _, err := rand.Read(i.nonce[:]); err != nil {
		return nil, internal(err)
	}
	if value, _, ok := v.Record(i.key); ok && r.Resume {
		if i.durable, err = importProgress(value); err != nil {
			return nil, internal(err)
		}
		i.token = s.token(v)
	}
	i.added = i.durable
	return i, i.takeOver(ctx)
}

func validImportID(id string) bool {
	return len(id) <= maxImportID && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == ""
}

// progress is the record's value when everything up to a sequence is durable.
func (i *Import) progress(sequence uint64) []byte {
	return append(binary.AppendUvarint(nil, sequence), i.nonce[:]...)
}

func importProgress(value []byte) (uint64, error) {
	sequence, n := binary.Uvarint(value)
	if n <= 0 {
		return 0, fmt.Errorf("progress of an import is %x", value)
	}
	return sequence, nil
}

// takeOver makes the record this run's, so that an earlier run cannot go on.
// What that one has written meanwhile is written again, which changes nothing.
func (i *Import) takeOver(ctx context.Context) error {
	_, err := i.service.propose(ctx, i.recordCommand(i.progress(i.durable)))
	return err
}

func (i *Import) recordCommand(value []byte, pre ...store.Precondition) store.Command {
	return store.Command{
		Kind: store.KindWrite, Tenant: i.tenant, Incarnation: i.incarnation, Actor: i.by.Name, Address: i.by.Address,
		Records: []store.RecordUpdate{{Key: i.key, Value: value, Delete: value == nil}}, Preconditions: pre,
	}
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
	b := &importBatch{sequence: sequence, before: i.added, updates: make([]Update, len(tuples))}
	for k, t := range tuples {
		b.updates[k] = Update{Op: Touch, Tuple: t}
	}
	if err := i.enqueue(ctx, b); err != nil {
		return err
	}
	i.added = sequence
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
	if err != nil && i.service.wasBehind(ctx, seen) {
		c, err = i.service.writeCommand(ctx, i.tenant, i.by, WriteRequest{Updates: b.updates})
	}
	if err != nil {
		return inBatch(err)
	}
	if c.Incarnation != i.incarnation {
		return unknownTenant(i.tenant)
	}
	if i.key != "" {
		own := i.recordCommand(i.progress(b.sequence), store.Precondition{Kind: store.PreRecordEquals, Record: i.key, Value: i.progress(b.before)})
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
	i.durable, i.token = b.sequence, i.service.tokenAt(i.incarnation, rev)
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
			return 0, &Error{Code: FailedPrecondition, Reason: "IMPORT_CONFLICT", Field: "import_id", Value: strings.TrimPrefix(i.key, "import/"),
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
	out, err := i.service.replicate(ctx, i.recordCommand(nil, store.Precondition{Kind: store.PreRecordEquals, Record: i.key, Value: i.progress(i.durable)}))
	if err != nil {
		return proposeError(err)
	}
	if out.Code != store.OK && out.Code != store.CodePrecondition {
		return outcomeError(out, &store.Command{Tenant: i.tenant})
	}
	return nil
}
