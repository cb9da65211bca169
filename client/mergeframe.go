package client

import (
	"errors"
	"math"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	maxFrameChecks = 128      // questions of a frame
	maxFrameText   = 64 << 10 // bytes of what they are made of
	maxMergedText  = 8 << 10  // bytes of one question; a longer one goes by itself

	// serverSlack is how much longer the server works than anybody waits, so that
	// it is always the callers who see that their time is over.
	serverSlack = 100 * time.Millisecond
)

// A frame is a message with the questions of several callers. It is filled
// while it belongs to its lane, under the merger's lock; then it is sent; then
// the receiver hands its answers out.
type frame struct {
	lane    *lane
	checks  []*mergedCheck // by question; nil = answered
	bytes   int            // of texts
	end     time.Time      // when the last of its callers leaves
	begun   time.Time      // when it was sent
	waiting int            // checks without an answer; guarded by the merger's mu
	sent    bool           // its message is not read any more; guarded by the merger's mu

	request pb.StreamCheckRequest
	wrapper pb.StreamCheckRequest_Frame
	body    pb.CheckFrame

	names [8]uint32 // numbers of texts that come again and again
	named int
}

func newFrame() *frame {
	f := &frame{}
	f.request.Question, f.wrapper.Frame = &f.wrapper, &f.body
	return f
}

// empty makes f as new, but for its memory.
func (f *frame) empty() {
	clear(f.checks)
	clear(f.body.Texts)
	f.checks, f.body.Texts, f.body.Questions, f.body.Contexts = f.checks[:0], f.body.Texts[:0], f.body.Questions[:0], nil
	f.lane, f.bytes, f.end, f.begun, f.waiting, f.sent, f.named = nil, 0, time.Time{}, time.Time{}, 0, false, 0
}

func (f *frame) isFull() bool {
	return len(f.checks) >= maxFrameChecks || f.bytes > maxFrameText-maxMergedText
}

// add puts a question into f.
func (f *frame) add(q *mergedCheck, r *CheckRequest, contextJSON string, end time.Time) {
	f.body.Questions = append(f.body.Questions,
		f.name(r.Object.Type), f.text(r.Object.ID), f.name(r.Permission),
		f.name(r.Subject.Type), f.text(r.Subject.ID), f.name(r.Subject.Relation))
	if contextJSON != "" {
		f.body.Contexts = append(f.body.Contexts, &pb.CheckFrame_FrameContext{Question: uint32(len(f.checks)), ContextJson: contextJSON})
		f.bytes += len(contextJSON)
	}
	f.checks = append(f.checks, q)
	if end.After(f.end) {
		f.end = end
	}
}

// text returns the number of s, which is most likely new.
func (f *frame) text(s string) uint32 {
	if s == "" {
		return 0
	}
	f.bytes += len(s)
	f.body.Texts = append(f.body.Texts, s)
	return uint32(len(f.body.Texts))
}

// name returns the number of s, of which there are few.
func (f *frame) name(s string) uint32 {
	for _, n := range f.names[:f.named] {
		if f.body.Texts[n-1] == s {
			return n
		}
	}
	n := f.text(s)
	if n != 0 && f.named < len(f.names) {
		f.names[f.named] = n
		f.named++
	}
	return n
}

// depart readies f's message.
func (f *frame) depart(id uint64, now time.Time) {
	f.request.Id, f.waiting, f.begun = id, len(f.checks), now
	left := max(f.end.Sub(now), 0) + serverSlack
	f.body.TimeoutMs = uint32(min(left.Milliseconds(), math.MaxInt32))
}

// errOdd says that a server does not speak the protocol.
var errOdd = errors.New("the server's answer to a frame of checks is none")

// handOut answers those whom p answers, and returns how many. It runs in one
// goroutine at a time.
func (f *frame) handOut(p *pb.StreamCheckResponse) (int, error) {
	if refused := p.GetError(); refused != nil {
		return f.refuse(refused)
	}
	answer := p.GetFrame()
	places, n := answer.GetQuestions(), len(answer.GetDecisions())
	if n == 0 || len(places) == 0 && n != len(f.checks) || len(places) > 0 && n != len(places) ||
		n != len(answer.GetSteps()) || n != len(answer.GetReads()) {
		return 0, errOdd
	}
	for _, e := range answer.GetErrors() {
		i := int(e.GetDecision())
		if i >= n {
			return 0, errOdd
		}
		if len(places) > 0 {
			i = int(places[i])
		}
		if i >= len(f.checks) || f.checks[i] == nil {
			return 0, errOdd
		}
		f.checks[i].refused = e.GetError()
	}
	for k := range n {
		i := k
		if len(places) > 0 {
			i = int(places[k])
		}
		if i >= len(f.checks) || f.checks[i] == nil {
			return k, errOdd
		}
		q := f.checks[i]
		f.checks[i] = nil
		q.answer, q.place = answer, k
		q.tell()
	}
	return n, nil
}

// refuse answers all with what the server said to the frame as a whole.
func (f *frame) refuse(refused *pb.Error) (int, error) {
	if refused.GetReason() == "MISSING_FIELD" && refused.GetField() == "question" {
		return 0, errUnfit
	}
	n := 0
	for i, q := range f.checks {
		if q != nil {
			f.checks[i], n = nil, n+1
			q.refused = refused
			q.tell()
		}
	}
	return n, nil
}

// fail tells all who wait that the frame did not arrive.
func (f *frame) fail(e *Error) {
	for i, q := range f.checks {
		if q != nil {
			f.checks[i] = nil
			q.broken = e
			q.tell()
		}
	}
}
