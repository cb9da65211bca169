package store

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/pemba-authz/pemba/internal/faulty"
)

// The snapshot file: a magic line, then sections, each framed by its kind, its
// length as stored and unpacked, and a CRC-32C over kind, lengths and payload.
// Payloads are deflated. Sections are unpacked and decoded in parallel; what
// they refer to is resolved in their order. A tenant's tuples come in the order of
// their creation, and an object's name comes with the first of them that needs
// it. The last section counts all sections.
const (
	snapshotMagic = "pemba snapshot 3\n"

	frameBytes      = 13
	maxSectionBytes = 64 << 20
	factsPerSection = 16 << 10
	bytesPerSection = 4 << 20 // aim for records and requests
)

type sectionKind uint8

const (
	sectionMeta sectionKind = iota + 1
	sectionTenant
	sectionFacts
	sectionRecords
	sectionRequests
	sectionEnd
)

func (k sectionKind) String() string {
	names := [...]string{"", "meta", "tenant", "tuples", "records", "requests", "end"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("unknown section %d", uint8(k))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Capture is a store pinned at one revision, from which a snapshot is written
// while the store goes on. It holds memory until it is dropped.
type Capture struct {
	state    *state
	spaces   []captured
	requests []request
	floor    int64 // of the requests
}

type captured struct {
	info TenantInfo
	gen  *generation
	// How many there are, and when the newer facts were created.
	facts, nodes uint32
	ages         ages
}

// Capture pins the newest revision. It costs O(tenants), not O(tuples).
func (s *Store) Capture() *Capture {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	return s.captureLocked()
}

func (s *Store) captureLocked() *Capture {
	st := s.state.Load()
	c := &Capture{state: st, requests: s.requests.kept, floor: s.requests.floor}
	for _, sp := range st.spaces() {
		g := sp.gen.Load()
		c.spaces = append(c.spaces, captured{sp.info, g, g.facts.len(), g.nodes.len(), g.log.ages()})
	}
	return c
}

// Revision returns the revision that c pins.
func (c *Capture) Revision() uint64 { return c.state.revision }

// WriteTo streams the snapshot file. It may run on any goroutine.
func (c *Capture) WriteTo(w io.Writer) (int64, error) {
	sw := newSectionWriter(w)
	sw.section(sectionMeta, c.meta())
	for _, sp := range c.spaces {
		c.writeTenant(sw, sp)
	}
	c.writeRequests(sw)
	sw.section(sectionEnd, binary.AppendUvarint(nil, uint64(sw.sections)))
	if err := sw.flush(); err != nil {
		return sw.written, fmt.Errorf("write snapshot at revision %d: %w", c.state.revision, err)
	}
	return sw.written, nil
}

func (c *Capture) meta() []byte {
	b := binary.AppendUvarint(nil, c.state.revision)
	b = binary.AppendUvarint(b, c.state.horizon)
	b = binary.AppendVarint(b, c.state.time)
	b = appendString(b, c.state.clusterID)
	b = appendString(b, string(c.state.secret))
	b = binary.AppendUvarint(b, c.state.incarnation)
	b = binary.AppendVarint(b, c.floor)
	return binary.AppendUvarint(b, uint64(len(c.spaces)))
}

func (c *Capture) writeTenant(sw *sectionWriter, sp captured) {
	b := appendString(nil, sp.info.Name)
	sw.section(sectionTenant, binary.AppendUvarint(b, sp.info.Incarnation))
	block := newFactBlock(sp.gen, sp.nodes)
	for ref := uint32(1); ref <= sp.facts && sw.err == nil; ref++ {
		created, deleted, keep := c.life(&sp, ref)
		if !keep || faulty.SnapshotDrops && ref == sp.facts {
			continue
		}
		block.add(sp.gen.facts.at(ref), created, deleted)
		if block.n == factsPerSection {
			sw.section(sectionFacts, block.encode())
			block.reset()
		}
	}
	if block.n > 0 {
		sw.section(sectionFacts, block.encode())
	}
	c.writeRecords(sw, sp.gen)
}

// life returns when a fact lived as far as c knows, and whether any view from
// c's horizon to its revision can see it. created is 0 if that was at or below the
// horizon, where nobody can tell any more. The facts come in their order.
func (c *Capture) life(sp *captured, ref uint32) (created, deleted uint64, keep bool) {
	if created = sp.ages.of(ref); created <= c.state.horizon {
		created = 0
	}
	if deleted = sp.gen.deleted(sp.gen.facts.at(ref)); deleted > c.state.revision {
		deleted = 0
	}
	return created, deleted, deleted == 0 || deleted > c.state.horizon
}

func (c *Capture) writeRecords(sw *sectionWriter, g *generation) {
	var b []byte
	for _, v := range g.records.retained(c.state.horizon, c.state.revision) {
		b = appendString(b, v.key)
		b = append(b, flag(v.gone))
		b = appendString(b, string(v.value))
		b = binary.AppendUvarint(b, v.created)
		if len(b) >= bytesPerSection {
			sw.section(sectionRecords, b)
			b = nil
		}
	}
	if len(b) > 0 {
		sw.section(sectionRecords, b)
	}
}

func (c *Capture) writeRequests(sw *sectionWriter) {
	var b []byte
	for _, q := range c.requests {
		b = q.append(b)
		if len(b) >= bytesPerSection {
			sw.section(sectionRequests, b)
			b = nil
		}
	}
	if len(b) > 0 {
		sw.section(sectionRequests, b)
	}
}

func (q *request) append(b []byte) []byte {
	b = appendString(b, q.key.tenant)
	b = binary.AppendUvarint(b, q.key.incarnation)
	b = appendString(b, q.key.actor)
	b = appendString(b, q.key.id)
	b = append(b, q.body[:]...)
	b = append(b, byte(q.outcome.Code))
	b = binary.AppendUvarint(b, q.outcome.Revision)
	b = binary.AppendUvarint(b, uint64(q.outcome.Index))
	return appendString(b, q.outcome.Detail)
}

func (r *reader) request() request {
	q := request{key: requestKey{tenant: r.string(), incarnation: r.uvarint(), actor: r.string(), id: r.string()}}
	for i := range q.body {
		q.body[i] = r.byte()
	}
	q.outcome = Outcome{Code: Code(r.byte()), Revision: r.uvarint(), Index: int(r.uvarint()), Detail: r.string()}
	made, err := requestTime(q.key.id)
	if err != nil {
		r.fail(err)
	}
	q.made = made
	return q
}

// sectionWriter frames and packs sections; the first error ends it.
type sectionWriter struct {
	w        *bufio.Writer
	deflate  *flate.Writer
	packed   bytes.Buffer
	sections int
	written  int64
	err      error
}

func newSectionWriter(w io.Writer) *sectionWriter {
	sw := &sectionWriter{w: bufio.NewWriterSize(w, 1<<20)}
	sw.deflate, _ = flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	sw.write([]byte(snapshotMagic))
	return sw
}

func (sw *sectionWriter) write(b []byte) {
	if sw.err == nil {
		var n int
		n, sw.err = sw.w.Write(b)
		sw.written += int64(n)
	}
}

func (sw *sectionWriter) section(kind sectionKind, payload []byte) {
	if sw.err != nil {
		return
	}
	sw.packed.Reset()
	sw.deflate.Reset(&sw.packed)
	if _, sw.err = sw.deflate.Write(payload); sw.err != nil {
		return
	}
	if sw.err = sw.deflate.Close(); sw.err != nil {
		return
	}
	sw.write(frame(kind, len(payload), sw.packed.Bytes()))
	sw.write(sw.packed.Bytes())
	sw.sections++
}

func frame(kind sectionKind, unpacked int, packed []byte) []byte {
	var f [frameBytes]byte
	f[0] = byte(kind)
	binary.LittleEndian.PutUint32(f[1:], uint32(unpacked))
	binary.LittleEndian.PutUint32(f[5:], uint32(len(packed)))
	sum := crc32.Update(crc32.Checksum(f[:9], castagnoli), castagnoli, packed)
	binary.LittleEndian.PutUint32(f[9:], sum)
	return f[:]
}

func (sw *sectionWriter) flush() error {
	if sw.err == nil {
		sw.err = sw.w.Flush()
	}
	return sw.err
}
