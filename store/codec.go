package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/pemba-authz/pemba/tuple"
)

// The encoding of log entries: version byte, then length-prefixed commands.
// Fields stand in a fixed order; strings and bytes are length-prefixed,
// integers are uvarints (times are zigzag varints). A reader of an unknown
// version or kind fails: an entry that cannot be decoded stops the node.
const entryVersion = 2

// Entry is the content of one log entry. All its commands take effect at one
// revision, in order.
type Entry struct {
	Commands []Command
}

// Append appends e's encoding to dst.
func (e *Entry) Append(dst []byte) []byte {
	encoded := make([][]byte, len(e.Commands))
	for i := range e.Commands {
		encoded[i] = e.Commands[i].Append(nil)
	}
	return append(dst, JoinEntry(encoded)...)
}

// JoinEntry makes an entry of commands that Command.Append has encoded.
func JoinEntry(commands [][]byte) []byte {
	size := 1 + binary.MaxVarintLen64
	for _, c := range commands {
		size += len(c) + binary.MaxVarintLen32
	}
	dst := append(make([]byte, 0, size), entryVersion)
	dst = binary.AppendUvarint(dst, uint64(len(commands)))
	for _, c := range commands {
		dst = binary.AppendUvarint(dst, uint64(len(c)))
		dst = append(dst, c...)
	}
	return dst
}

// DecodeEntry reads what Append wrote. The result shares nothing with data.
// Tuples share memory with each other: one that is kept keeps them all.
func DecodeEntry(data []byte) (Entry, error) {
	r := reader{data: bytes.Clone(data)}
	if v := r.byte(); r.err == nil && v != entryVersion {
		return Entry{}, fmt.Errorf("decode entry: version %d, this program reads %d", v, entryVersion)
	}
	n := r.count(MaxEntryCommands, 2)
	e := Entry{Commands: make([]Command, 0, n)}
	for range n {
		sub := reader{data: r.bytes()}
		e.Commands = append(e.Commands, sub.command())
		if err := errors.Join(r.err, sub.end()); err != nil {
			return Entry{}, fmt.Errorf("decode entry: command %d: %w", len(e.Commands)-1, err)
		}
	}
	if err := r.end(); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	return e, nil
}

// Append appends c's encoding to dst.
func (c *Command) Append(dst []byte) []byte {
	dst = append(dst, byte(c.Kind))
	dst = appendString(dst, c.Tenant)
	dst = binary.AppendUvarint(dst, c.Incarnation)
	dst = appendString(dst, c.Actor)
	dst = appendString(dst, c.Address)
	dst = appendString(dst, c.RequestID)
	dst = binary.AppendVarint(dst, c.Time)
	switch c.Kind {
	case KindWrite:
		dst = binary.AppendUvarint(dst, c.SchemaRevision)
		dst = c.appendBody(dst)
		dst = binary.AppendUvarint(dst, uint64(len(c.Empty)))
		for _, e := range c.Empty {
			dst = e.append(dst)
		}
	case KindInit:
		dst = appendString(dst, c.ClusterID)
		dst = appendString(dst, string(c.ClusterSecret))
	case KindHorizon:
		dst = binary.AppendUvarint(dst, c.Horizon)
	case KindIncarnation:
		dst = binary.AppendUvarint(dst, c.NewIncarnation)
	}
	return dst
}

// appendBody encodes what the caller of a write asked for, without what the
// proposer adds; a request id is bound to it.
func (c *Command) appendBody(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c.Preconditions)))
	for _, p := range c.Preconditions {
		dst = p.append(dst)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Updates)))
	for _, u := range c.Updates {
		dst = append(dst, byte(u.Op))
		dst = appendTuple(dst, u.Tuple)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Records)))
	for _, r := range c.Records {
		dst = appendString(dst, r.Key)
		dst = append(dst, flag(r.Delete))
		dst = appendString(dst, string(r.Value))
	}
	return dst
}

func (p *Precondition) append(dst []byte) []byte {
	f := p.Filter
	dst = append(dst, byte(p.Kind))
	for _, s := range []string{f.Type, f.ID, f.Relation, f.SubjectType, f.SubjectID, f.SubjectRelation,
		p.Record, p.Object.Type, p.Object.ID, p.Relation} {
		dst = appendString(dst, s)
	}
	dst = binary.AppendUvarint(dst, p.Since)
	if p.Kind == PreRecordEquals {
		dst = append(dst, flag(p.Value != nil))
		dst = appendString(dst, string(p.Value))
	}
	return dst
}

func (e *EmptyShape) append(dst []byte) []byte {
	for _, s := range []string{e.Type, e.Relation, e.SubjectType, e.SubjectRelation, e.Caveat} {
		dst = appendString(dst, s)
	}
	return append(dst, flag(e.Wildcard)|flag(e.AnyCaveat)<<1|flag(e.Expiring)<<2|flag(e.AnyExpiring)<<3)
}

func appendTuple(dst []byte, t tuple.Tuple) []byte {
	for _, s := range []string{t.Object.Type, t.Object.ID, t.Relation, t.Subject.Type, t.Subject.ID,
		t.Subject.Relation, t.Caveat, t.Context} {
		dst = appendString(dst, s)
	}
	return binary.AppendVarint(dst, t.Expires)
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// reader decodes; after the first error every read returns zero.
type reader struct {
	data []byte
	err  error
}

var errShort = errors.New("data ends early")

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.data = nil
}

// end reports the first error, or that data is left.
func (r *reader) end() error {
	if r.err == nil && len(r.data) > 0 {
		return fmt.Errorf("%d bytes too many", len(r.data))
	}
	return r.err
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.fail(errShort)
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.data = r.data[n:]
	return v
}

// bytes returns a length-prefixed part of the data itself.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.fail(errShort)
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

// clone returns a length-prefixed part as bytes of its own, nil if it is empty.
func (r *reader) clone() []byte { return append([]byte(nil), r.bytes()...) }

func (r *reader) string() string { return string(r.bytes()) }

// shared returns a length-prefixed part as a string that shares memory with the
// data, which nobody must change any more: of many thousands of strings that
// are soon forgotten, none is worth a copy.
func (r *reader) shared() string {
	b := r.bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// count reads the length of a list whose elements take at least size bytes.
func (r *reader) count(most, size int) int {
	n := r.uvarint()
	if n > uint64(most) || n > uint64(len(r.data)/size) {
		r.fail(fmt.Errorf("a list of %d elements", n))
		return 0
	}
	return int(n)
}

func (r *reader) command() Command {
	c := Command{Kind: Kind(r.byte())}
	c.Tenant = r.string()
	c.Incarnation = r.uvarint()
	c.Actor, c.Address, c.RequestID = r.string(), r.string(), r.string()
	c.Time = r.varint()
	switch c.Kind {
	case KindWrite:
		r.write(&c)
	case KindInit:
		c.ClusterID, c.ClusterSecret = r.string(), r.clone()
	case KindHorizon:
		c.Horizon = r.uvarint()
	case KindIncarnation:
		c.NewIncarnation = r.uvarint()
	case KindCreateTenant, KindDeleteTenant:
	default:
		r.fail(fmt.Errorf("unknown command kind %d; it was written by a later version", c.Kind))
	}
	return c
}

func (r *reader) write(c *Command) {
	c.SchemaRevision = r.uvarint()
	c.Preconditions = list(r, MaxPreconditions, 12, r.precondition)
	c.Updates = list(r, MaxUpdates, 10, r.update)
	c.Records = list(r, MaxRecords, 3, r.recordUpdate)
	c.Empty = list(r, MaxEmptyShapes, 6, r.emptyShape)
}

func list[T any](r *reader, most, size int, read func() T) []T {
	n := r.count(most, size)
	if n == 0 {
		return nil
	}
	out := make([]T, 0, n)
	for range n {
		out = append(out, read())
	}
	return out
}

func (r *reader) precondition() Precondition {
	p := Precondition{Kind: PreconditionKind(r.byte())}
	f := &p.Filter
	for _, s := range []*string{&f.Type, &f.ID, &f.Relation, &f.SubjectType, &f.SubjectID, &f.SubjectRelation,
		&p.Record, &p.Object.Type, &p.Object.ID, &p.Relation} {
		*s = r.string()
	}
	p.Since = r.uvarint()
	if p.Kind == PreRecordEquals {
		there := r.byte() != 0
		if p.Value = r.clone(); there && p.Value == nil {
			p.Value = []byte{}
		} else if !there {
			p.Value = nil
		}
	}
	return p
}

func (r *reader) update() Update {
	return Update{Op: Op(r.byte()), Tuple: r.tuple()}
}

func (r *reader) recordUpdate() RecordUpdate {
	return RecordUpdate{Key: r.string(), Delete: r.byte() == 1, Value: r.clone()}
}

func (r *reader) emptyShape() EmptyShape {
	var e EmptyShape
	for _, s := range []*string{&e.Type, &e.Relation, &e.SubjectType, &e.SubjectRelation, &e.Caveat} {
		*s = r.string()
	}
	b := r.byte()
	e.Wildcard, e.AnyCaveat, e.Expiring, e.AnyExpiring = b&1 != 0, b&2 != 0, b&4 != 0, b&8 != 0
	return e
}

func (r *reader) tuple() tuple.Tuple {
	var t tuple.Tuple
	for _, s := range []*string{&t.Object.Type, &t.Object.ID, &t.Relation, &t.Subject.Type, &t.Subject.ID,
		&t.Subject.Relation, &t.Caveat, &t.Context} {
		*s = r.shared()
	}
	t.Expires = r.varint()
	return t
}
