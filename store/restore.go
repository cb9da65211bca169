package store

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"sync"
)

// CorruptError says where a snapshot cannot be read and why.
type CorruptError struct {
	Section int    // counted from 0
	Kind    string // of the section
	Offset  int64  // of the section, bytes from the start
	Err     error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("snapshot is damaged: section %d (%s) at byte %d: %v", e.Section, e.Kind, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// Restore replaces the whole state by the snapshot that r holds. On an error,
// a *CorruptError where the data are to blame, the old state stays. Views
// taken before go on showing the old state. The new state is built beside the
// old one, so both are in memory for a while.
func (s *Store) Restore(r io.Reader) error {
	l := loader{syms: s.syms}
	if err := l.load(r); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	s.requests, s.works = l.requests, nil
	s.state.Store(&l.state)
	return nil
}

// loader builds a state from sections in their order.
type loader struct {
	syms     *Symbols
	state    state
	want     uint64 // tenants according to meta
	got      uint64
	cur      *tenantLoader
	requests requests
	meta     bool
	ended    bool
	sections int
}

// section is one framed part of the file, unpacked and decoded by a worker.
type section struct {
	kind   sectionKind
	number int
	offset int64
	size   int
	packed []byte
	facts  decodedFacts
	body   reader
	err    error
	done   chan struct{}
}

// load reads the frames, has them unpacked by a worker per processor, and
// takes them in order.
func (l *loader) load(r io.Reader) error {
	jobs := make(chan *section)
	order := make(chan *section, 2*runtime.GOMAXPROCS(0))
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for s := range jobs {
				s.unpack()
				close(s.done)
			}
		})
	}
	workers.Go(func() {
		defer close(order)
		defer close(jobs)
		readSections(r, jobs, order, stop)
	})
	err := l.takeAll(order)
	close(stop)
	for range order { // let the reader go
	}
	workers.Wait()
	return err
}

func (l *loader) takeAll(order <-chan *section) error {
	for s := range order {
		<-s.done
		if s.err == nil {
			s.err = l.take(s)
		}
		if s.err != nil {
			return &CorruptError{s.number, s.kind.String(), s.offset, s.err}
		}
	}
	if !l.ended {
		return &CorruptError{l.sections, sectionEnd.String(), 0, io.ErrUnexpectedEOF}
	}
	return nil
}

// readSections reads frames until the end or an error, which it passes on as a
// section.
func readSections(r io.Reader, jobs, order chan<- *section, stop <-chan struct{}) {
	in := bufio.NewReaderSize(r, 1<<20)
	magic := make([]byte, len(snapshotMagic))
	offset := int64(len(magic))
	_, err := io.ReadFull(in, magic)
	if err == nil && string(magic) != snapshotMagic {
		err = errors.New("not a snapshot of this version")
	}
	for number := 0; ; number++ {
		s := &section{number: number, offset: offset, done: make(chan struct{})}
		if err == nil {
			err = s.read(in)
		}
		if err == io.EOF {
			return
		}
		s.err = err
		if err != nil {
			close(s.done)
		}
		select {
		case order <- s:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
		select {
		case jobs <- s:
		case <-stop:
			close(s.done)
			return
		}
		offset += int64(frameBytes + len(s.packed))
	}
}

// read reads one frame and its payload and checks the sum. io.EOF means that
// there is no further section.
func (s *section) read(in io.Reader) error {
	var f [frameBytes]byte
	if n, err := io.ReadFull(in, f[:]); err != nil {
		if n > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	s.kind = sectionKind(f[0])
	size, packed := binary.LittleEndian.Uint32(f[1:]), binary.LittleEndian.Uint32(f[5:])
	if size > maxSectionBytes || packed > maxSectionBytes {
		return fmt.Errorf("a section of %d bytes", max(size, packed))
	}
	s.size = int(size)
	var buf bytes.Buffer
	if n, err := io.CopyN(&buf, in, int64(packed)); err != nil {
		return fmt.Errorf("%d of %d bytes: %w", n, packed, io.ErrUnexpectedEOF)
	}
	s.packed = buf.Bytes()
	sum := crc32.Update(crc32.Checksum(f[:9], castagnoli), castagnoli, s.packed)
	if sum != binary.LittleEndian.Uint32(f[9:]) {
		return errors.New("checksum does not match")
	}
	return nil
}

// unpack runs on a worker: it inflates and, for facts, decodes.
func (s *section) unpack() {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(flate.NewReader(bytes.NewReader(s.packed)), int64(s.size)+1))
	if err != nil {
		s.err = err
		return
	}
	if n != int64(s.size) {
		s.err = fmt.Errorf("unpacks to %d bytes, not %d", n, s.size)
		return
	}
	s.body = reader{data: buf.Bytes()}
	if s.kind == sectionFacts {
		s.facts = s.body.facts()
		s.err = s.body.end()
	}
}

func (l *loader) take(s *section) error {
	l.sections++
	if l.ended || l.meta == (s.kind == sectionMeta) {
		return errors.New("section out of order")
	}
	switch s.kind {
	case sectionMeta:
		return l.takeMeta(&s.body)
	case sectionTenant:
		return l.takeTenant(&s.body)
	case sectionFacts:
		return l.takeFacts(&s.facts)
	case sectionRecords:
		return l.takeRecords(&s.body)
	case sectionRequests:
		return l.takeRequests(&s.body)
	case sectionEnd:
		return l.takeEnd(&s.body)
	}
	return errors.New("unknown kind; it was written by a later version")
}

func (l *loader) takeMeta(r *reader) error {
	l.meta = true
	l.state.revision, l.state.horizon, l.state.time = r.uvarint(), r.uvarint(), r.varint()
	l.state.clusterID, l.state.secret, l.state.incarnation = r.string(), r.clone(), r.uvarint()
	l.requests.floor = r.varint()
	l.want = r.uvarint()
	if r.err == nil && l.state.horizon > l.state.revision {
		return errors.New("the horizon lies above the revision")
	}
	if err := validSecret(l.state.secret); r.err == nil && err != nil {
		return err
	}
	return r.end()
}

func (l *loader) takeTenant(r *reader) error {
	if err := l.finishTenant(); err != nil {
		return err
	}
	name, incarnation := r.string(), r.uvarint()
	if err := r.end(); err != nil {
		return err
	}
	if err := validTenant(name); err != nil {
		return err
	}
	sp := &space{info: TenantInfo{name, incarnation}}
	l.cur = newTenantLoader(newGeneration(l.syms, l.state.horizon), &l.state)
	sp.gen.Store(l.cur.g)
	if l.state.space(name) != nil {
		return fmt.Errorf("tenant %q comes twice", name)
	}
	l.state.tenants = l.state.tenants.with(sp)
	l.got++
	return nil
}

func (l *loader) finishTenant() error {
	t := l.cur
	if l.cur = nil; t == nil {
		return nil
	}
	return t.finish()
}

func (l *loader) takeRecords(r *reader) error {
	if l.cur == nil {
		return errors.New("records without a tenant")
	}
	for len(r.data) > 0 && r.err == nil {
		v := recordVersion{key: r.string(), gone: r.byte() == 1}
		v.value = append([]byte(nil), r.bytes()...)
		v.created = r.uvarint()
		if r.err == nil && (v.created > l.state.revision || l.cur.g.records.changed(v.key) >= v.created) {
			return fmt.Errorf("record %q: version %d out of order", v.key, v.created)
		}
		l.cur.g.records.put(v)
	}
	return r.end()
}

func (l *loader) takeRequests(r *reader) error {
	for len(r.data) > 0 && r.err == nil {
		q := r.request()
		if r.err == nil && l.requests.find(q.key) != nil {
			return fmt.Errorf("request %s comes twice", q.key.id)
		}
		l.requests.add(q)
	}
	return r.end()
}

func (l *loader) takeEnd(r *reader) error {
	l.ended = true
	if err := l.finishTenant(); err != nil {
		return err
	}
	if n := r.uvarint(); r.err == nil && (int(n) != l.sections-1 || l.got != l.want) {
		return fmt.Errorf("%d sections and %d tenants came, %d and %d were written", l.sections-1, l.got, n, l.want)
	}
	return r.end()
}
