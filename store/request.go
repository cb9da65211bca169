package store

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/pemba-authz/pemba/tuple"
)

// RequestWindow is how long the outcome of a request id is kept, counted from
// the id's own creation time; an older id is refused, so that a late retry can
// never take effect a second time. It is part of the replicated semantics.
const RequestWindow = 10 * time.Minute

// requestSkew is how far in the future a request id may lie.
const requestSkew = time.Minute

// maxRequests bounds the kept outcomes; past it the oldest give way early, and
// ids as old as those are refused.
const maxRequests = 2_000_000

// RequestTime returns the creation time of a request id, Unix nanoseconds.
func RequestTime(id string) (int64, error) { return requestTime(id) }

// requestTime reads the 48-bit millisecond time of a UUIDv7 (RFC 9562, 5.7).
func requestTime(id string) (int64, error) {
	bad := func() (int64, error) {
		return 0, &tuple.FieldError{Field: "request_id", Value: id, Fix: "a request id is a UUIDv7, as 0190163d-8694-739b-aea5-966c26f8ad91"}
	}
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' || id[14] != '7' {
		return bad()
	}
	var b [16]byte
	if _, err := hex.Decode(b[:], []byte(id[:8]+id[9:13]+id[14:18]+id[19:23]+id[24:])); err != nil || b[8]>>6 != 2 {
		return bad()
	}
	ms := int64(b[0])<<40 | int64(b[1])<<32 | int64(b[2])<<24 | int64(b[3])<<16 | int64(b[4])<<8 | int64(b[5])
	if ms > 1<<43 {
		return bad()
	}
	return ms * int64(time.Millisecond), nil
}

// requestKey says whose request id it is.
type requestKey struct {
	tenant      string
	incarnation uint64
	actor       string
	id          string
}

// request is a kept outcome.
type request struct {
	key     requestKey
	made    int64    // the id's creation time
	body    [16]byte // digest of what the command asked for
	outcome Outcome
}

// requests keeps the outcomes of recent request ids, in the order in which
// they were applied. Writer only; a Capture shares kept[head:], whose elements
// never change.
type requests struct {
	index map[requestKey]uint64 // position in the whole sequence
	kept  []request
	first uint64 // sequence position of kept[0]
	floor int64  // ids made at or before this time are refused
}

func (r *requests) find(k requestKey) *request {
	if i, ok := r.index[k]; ok {
		return &r.kept[i-r.first]
	}
	return nil
}

func (r *requests) add(q request) {
	if r.index == nil {
		r.index = map[requestKey]uint64{}
	}
	r.index[q.key] = r.first + uint64(len(r.kept))
	r.kept = append(r.kept, q)
}

// expire drops outcomes that are out of the window or over the bound, and
// raises the floor so that their ids stay refused.
func (r *requests) expire(now int64) {
	r.floor = max(r.floor, now-int64(RequestWindow))
	n := 0
	for n < len(r.kept) && (r.kept[n].made <= r.floor || len(r.kept)-n > maxRequests) {
		r.floor = max(r.floor, r.kept[n].made)
		delete(r.index, r.kept[n].key)
		n++
	}
	r.first += uint64(n)
	r.kept = r.kept[n:]
}

// check answers a command with a request id before anything else is looked
// at: an outcome that stands already, or a refusal, or nothing.
func (r *requests) check(k requestKey, body [16]byte, now int64) (Outcome, bool) {
	if q := r.find(k); q != nil {
		if q.body != body {
			return Outcome{Code: CodeRequestReused, Detail: k.id}, true
		}
		out := q.outcome
		out.Replayed = true
		return out, true
	}
	made, err := requestTime(k.id)
	switch {
	case err != nil:
		return Outcome{Code: CodeInvalid, Detail: err.Error()}, true
	case made <= r.floor:
		return Outcome{Code: CodeRequestTooOld, Detail: fmt.Sprintf("made %s; ids are kept for %s", tuple.FormatTime(made), RequestWindow)}, true
	case made > now+int64(requestSkew):
		return Outcome{Code: CodeInvalid, Detail: fmt.Sprintf("request id made %s lies in the future", tuple.FormatTime(made))}, true
	}
	return Outcome{}, false
}
