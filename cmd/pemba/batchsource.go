package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// importBatch is tuples that are written together.
type importBatch struct {
	sequence uint64 // tuples of the input up to the end of this batch
	tuples   []*pb.Tuple
	from     []input // of tuples
}

// batchSource reads batches ahead, in a goroutine of its own. One goroutine
// uses it.
type batchSource struct {
	batches chan *importBatch // closed when the input ends
	ended   bool              // the user has seen that
	quit    chan struct{}
	err     error // set before batches is closed
}

// readBatches reads the tuples of r behind the first skip, in batches of size or
// less. A file's name stands before what is wrong with it.
func readBatches(r io.Reader, name string, size int, skip uint64) *batchSource {
	s := &batchSource{batches: make(chan *importBatch, maxUnanswered), quit: make(chan struct{})}
	if name == "-" {
		name = ""
	}
	b := &batcher{source: s, file: name, size: size, skip: skip, keys: make(map[tuple.Key]struct{}, size)}
	go func() {
		defer close(s.batches)
		s.err = b.read(r)
	}()
	return s
}

// stop ends the reading, once the input has another line.
func (s *batchSource) stop() { close(s.quit) }

// wrong is what is wrong with the input, once that has ended.
func (s *batchSource) wrong() error {
	if !s.ended {
		return nil
	}
	return s.err
}

// batcher makes batches of lines. The keys of a batch differ, as a write demands;
// a line that repeats one begins the next batch and so wins.
type batcher struct {
	source *batchSource
	file   string
	size   int
	skip   uint64 // lines that are left out

	count uint64 // lines so far
	batch *importBatch
	bytes int
	keys  map[tuple.Key]struct{}
}

func (b *batcher) read(r io.Reader) error {
	var wrong error
	b.batch = &importBatch{}
	err := readLines(r, b.file, func(in input) bool {
		if b.count++; b.count > b.skip {
			wrong = b.add(in)
		}
		return wrong == nil
	})
	end := b.count
	switch {
	case wrong != nil:
		end-- // what stands before the mistake is written
	case err == nil && b.count < b.skip:
		return fmt.Errorf("the import is at tuple %d, but there are only %d here: was it another input?", b.skip, b.count)
	}
	return cmp.Or(b.flush(end), wrong, err)
}

var errStopped = errors.New("nobody reads the batches")

func (b *batcher) add(in input) error {
	t, err := parseTupleLine(in.text)
	if err != nil {
		return in.wrong(err)
	}
	m, key := tupleMessage(t), t.Key()
	size := proto.Size(m)
	_, repeated := b.keys[key]
	if repeated || len(b.batch.tuples) == b.size || b.bytes+size > maxBatchBytes {
		if err := b.flush(b.count - 1); err != nil {
			return err
		}
	}
	b.keys[key] = struct{}{}
	b.bytes += size
	b.batch.tuples, b.batch.from = append(b.batch.tuples, m), append(b.batch.from, in)
	return nil
}

// flush hands over the batch, which ends at tuple sequence of the input.
func (b *batcher) flush(sequence uint64) error {
	if len(b.batch.tuples) == 0 {
		return nil
	}
	b.batch.sequence = sequence
	select {
	case b.source.batches <- b.batch:
	case <-b.source.quit:
		return errStopped
	}
	b.batch, b.bytes = &importBatch{}, 0
	clear(b.keys)
	return nil
}

// parseTupleLine reads a tuple as text, or as commands print it with --json.
func parseTupleLine(line string) (tuple.Tuple, error) {
	if !strings.HasPrefix(line, "{") {
		return tuple.ParseTuple(line)
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	var j tupleJSON
	err := decoder.Decode(&j)
	if err == nil && decoder.More() {
		err = errors.New("something follows the object")
	}
	if err != nil {
		return tuple.Tuple{}, fmt.Errorf(`tuple %q: as JSON a tuple is {"object":"doc:readme","relation":"viewer","subject":"user:ann"}: %w`, line, err)
	}
	return j.tuple()
}

// tuple is jsonTuple backwards.
func (j *tupleJSON) tuple() (t tuple.Tuple, err error) {
	if t.Object, err = tuple.ParseObject(j.Object); err != nil {
		return t, err
	}
	if t.Subject, err = tuple.ParseSubject(j.Subject); err != nil {
		return t, err
	}
	t.Relation, t.Caveat = j.Relation, j.Caveat
	if t.Context, err = tuple.CanonicalContext(j.Context); err != nil {
		return t, err
	}
	if j.Expires != "" {
		at, err := time.Parse(time.RFC3339Nano, j.Expires)
		if err != nil || at.Year() < 1970 || at.Year() > 2261 || at.UnixNano() <= 0 {
			return t, &tuple.FieldError{Field: "expires", Value: j.Expires, Fix: "an expiry is written 2030-01-02T15:04:05Z and lies between 1970 and 2261"}
		}
		t.Expires = at.UnixNano()
	}
	return t, t.Validate()
}
