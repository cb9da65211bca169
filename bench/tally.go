package bench

import (
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const maxLatency = time.Minute

func newTimes() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), 3)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(d, maxLatency).Microseconds())
}

// tally is what one caller counts of one operation; only its own goroutine
// touches it during a run.
type tally struct {
	op       Op
	times    *hdrhistogram.Histogram // from when a request was due to the end of its answer
	first    *hdrhistogram.Histogram // of lists: to the first result
	requests int64                   // answered
	items    int64                   // checks, results or tuples in them
	decided  int64
	allowed  int64
	refused  int64 // requests that the server had no room for
	sample   sample
}

func newTally(op Op, sample sample) *tally {
	t := &tally{op: op, times: newTimes(), sample: sample}
	if op == ListObjects || op == ListSubjects {
		t.first = newTimes()
	}
	return t
}

// answered enters a request with n items that was due at a time.
func (t *tally) answered(due time.Time, n int) {
	record(t.times, time.Since(due))
	t.requests++
	t.items += int64(n)
}

func (t *tally) decision(d pb.Decision) {
	if t.op.IsEcho() {
		return
	}
	t.decided++
	if d == pb.Decision_DECISION_ALLOWED {
		t.allowed++
	}
}

// merge adds o to t.
func (t *tally) merge(o *tally) {
	t.times.Merge(o.times)
	if o.first != nil && t.first != nil {
		t.first.Merge(o.first)
	}
	t.requests, t.items = t.requests+o.requests, t.items+o.items
	t.decided, t.allowed = t.decided+o.decided, t.allowed+o.allowed
	t.refused += o.refused
	t.sample.groups = append(t.sample.groups, o.sample.groups...)
}

// Answered is a question with the decision that a server gave.
type Answered struct {
	Question
	Op       Op // that was asked
	Decision pb.Decision
}

// sample keeps some of the answers of a run for later, each request with the same
// chance. One request gives one group.
type sample struct {
	groups  [][]Answered
	most    int // groups
	size    int // answers of a group
	offered int64
	random  *rand.Rand
}

// newSample keeps up to n answers, taking several from a request that is a list.
func newSample(op Op, n int, random *rand.Rand) sample {
	s := sample{most: n, size: 1, random: random}
	if op.IsEcho() || op == Write {
		s.most = 0
	}
	if op == ListObjects || op == ListSubjects {
		s.size = min(max(1, n/8), 64)
		s.most = (n + s.size - 1) / s.size
	}
	return s
}

// offer says where in s.groups the next request's answers go, -1 for nowhere.
func (s *sample) offer() int {
	s.offered++
	if len(s.groups) < s.most {
		s.groups = append(s.groups, nil)
		return len(s.groups) - 1
	}
	if s.most == 0 {
		return -1
	}
	if i := s.random.Int64N(s.offered); i < int64(s.most) {
		return int(i)
	}
	return -1
}

// keep is offer for a request with one answer to keep.
func (s *sample) keep(a Answered) {
	if i := s.offer(); i >= 0 {
		s.groups[i] = append(s.groups[i][:0], a)
	}
}

func (s *sample) answers() []Answered {
	var all []Answered
	for _, g := range s.groups {
		all = append(all, g...)
	}
	return all
}
