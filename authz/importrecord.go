package authz

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pemba-authz/pemba/store"
)

// importKey begins the keys of the records of imports; the id follows.
const importKey = "import/"

const (
	// importMemory is how long an import can be resumed after its last batch.
	importMemory = 7 * 24 * time.Hour
	// maxImports bounds the unfinished imports of a tenant.
	maxImports = 1000
	// maxForgotten bounds the records that one import forgets.
	maxForgotten = 100
)

// importRecord says how far an import is.
type importRecord struct {
	sequence uint64   // everything up to it is durable
	nonce    [16]byte // of the run that wrote it
	time     int64    // when, Unix seconds by the clock of the node that took the batch
}

func (r importRecord) value() []byte {
	out := append(binary.AppendUvarint(nil, r.sequence), r.nonce[:]...)
	return binary.AppendVarint(out, r.time)
}

func parseImportRecord(value []byte) (r importRecord, err error) {
	sequence, n := binary.Uvarint(value)
	if n <= 0 || len(value) < n+len(r.nonce) {
		return r, fmt.Errorf("record of an import is %x", value)
	}
	r.sequence = sequence
	rest := value[n+copy(r.nonce[:], value[n:]):]
	if r.time, n = binary.Varint(rest); n != len(rest) || n <= 0 {
		return r, fmt.Errorf("record of an import is %x", value)
	}
	return r, nil
}

// record is the record's value when everything up to a sequence is durable.
func (i *Import) record(sequence uint64) []byte {
	return importRecord{sequence, i.nonce, i.service.opts.Now() / int64(time.Second)}.value()
}

func (i *Import) recordCommand(value []byte, pre ...store.Precondition) store.Command {
	return store.Command{
		Kind: store.KindWrite, Tenant: i.tenant, Incarnation: i.incarnation, Actor: i.by.Name, Address: i.by.Address,
		Records: []store.RecordUpdate{{Key: i.key, Value: value, Delete: value == nil}}, Preconditions: pre,
	}
}

// makeRoom forgets imports of the tenant that nobody has gone on with for long,
// and refuses a new one where there are too many others. What is old is decided
// by the time of the newest command that v knows, which is the same everywhere;
// and an import that goes on meanwhile is spared.
func (i *Import) makeRoom(ctx context.Context, v store.View) error {
	forget, left := i.recordCommand(nil), 0
	forget.Records = nil
	old := v.Time()/int64(time.Second) - int64(importMemory/time.Second)
	for key, value := range v.Records(importKey) {
		r, err := parseImportRecord(value)
		switch {
		case err == nil && r.time >= old:
			left++
			continue
		case len(forget.Records) == maxForgotten:
			continue
		}
		forget.Records = append(forget.Records, store.RecordUpdate{Key: key, Delete: true})
		forget.Preconditions = append(forget.Preconditions, store.Precondition{Kind: store.PreRecordEquals, Record: key, Value: value})
	}
	if left >= maxImports {
		return &Error{Code: FailedPrecondition, Reason: "TOO_MANY_IMPORTS", Field: "import_id",
			Message: fmt.Sprintf("%d imports of this tenant have begun and not ended", left),
			Fix:     fmt.Sprintf("resume and end some of them, or import without an id; one is forgotten %d days after its last batch", int(importMemory.Hours()/24))}
	}
	if len(forget.Records) > 0 {
		// Where this fails they are forgotten another time.
		_, _ = i.service.replicate(ctx, forget)
	}
	return nil
}
