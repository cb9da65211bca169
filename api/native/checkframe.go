package native

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/internal/telemetry"
	"github.com/pemba-authz/pemba/proto/codec"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

const (
	// frameTick is how long a frame's answers wait for those that are not ready,
	// and how long one question may keep a goroutine before the questions behind
	// it are taken by another.
	frameTick = 2 * time.Millisecond

	// maxFrameHelpers is how many goroutines a frame gets beside its first.
	maxFrameHelpers = 15

	// frameFields is how many numbers of a frame are one question.
	frameFields = 6
)

// A checkFrame is a frame under way. One goroutine answers its questions in
// turn and sends all answers at the end. Only when that takes long, a timer has
// others send what is ready and, if one question is the reason, answer the rest.
type checkFrame struct {
	stream *checkStream
	id     uint64
	frame  *pembav1.CheckFrame
	n      int // questions

	ctx    context.Context
	cancel context.CancelFunc
	call   telemetry.Call
	span   telemetry.Span

	asked authz.Consistency
	at    authz.Viewpoint
	atErr error // why there is no viewpoint
	*frameRoom
	next atomic.Int32 // the first question that nobody has taken

	mu      sync.Mutex
	over    bool        // guarded by mu: the first goroutine is done
	seen    int32       // guarded by mu: next at the last tick
	helpers int         // guarded by mu: ever started to answer
	busy    int         // guarded by mu: goroutines that answer or send
	shared  int         // guarded by mu: goroutines beside the first, ever
	timer   *time.Timer // guarded by mu; nil = there is only one question
}

// A frameRoom is what the questions of a frame take. It is used again, unless
// several goroutines have had a part in the frame.
type frameRoom struct {
	questions []authz.Question
	wrong     []error // by question, what cannot be translated; nil = nothing
	resolved  authz.Resolved
	done      []frameResult // each written by who took its index from next
	ready     []uint32      // guarded by the frame's mu: answered and not sent
}

var frameRooms = sync.Pool{New: func() any { return new(frameRoom) }}

func newFrameRoom(n int) *frameRoom {
	r := frameRooms.Get().(*frameRoom)
	r.questions = slices.Grow(r.questions, n)
	r.done = slices.Grow(r.done, n)[:n]
	r.ready = slices.Grow(r.ready, n)
	return r
}

// release gives the room back, but for its errors: those are rare.
func (r *frameRoom) release() {
	if cap(r.questions) > mostKept {
		return
	}
	clear(r.questions)
	clear(r.done)
	r.resolved.Clear()
	r.questions, r.done, r.ready, r.wrong = r.questions[:0], r.done[:0], r.ready[:0], nil
	frameRooms.Put(r)
}

// A frameResult is what a question came to.
type frameResult struct {
	decision     pembav1.Decision
	steps, reads int32
	missing      []string
	err          *pembav1.Error
}

// answerFrame answers all questions of a frame. Its error is that of the stream.
func (c *checkStream) answerFrame(id uint64, frame *pembav1.CheckFrame) error {
	s := c.server
	if err := checkFrameShape(frame); err != nil {
		failed := s.streamError(id, err)
		return c.send(&failed)
	}
	n := len(frame.GetQuestions()) / frameFields
	f := &checkFrame{
		stream: c, id: id, frame: frame, n: n, frameRoom: newFrameRoom(n), call: s.frames.Begin(), busy: 1,
	}
	f.ctx, f.span = s.guard.tracer.Sample(c.ctx, pembav1.PermissionService_ServiceDesc.ServiceName, "StreamCheck/Frame")
	f.translate()
	f.choose()
	if n > 1 {
		f.mu.Lock()
		f.timer = time.AfterFunc(f.period(), f.tick)
		f.mu.Unlock()
	}
	f.work()
	f.mu.Lock()
	f.over = true
	if f.timer != nil {
		f.timer.Stop()
	}
	alone := f.shared == 0
	f.mu.Unlock()
	err := f.leave()
	if alone {
		f.release()
	}
	return err
}

// checkFrameShape says what is wrong with a frame as a whole.
func checkFrameShape(f *pembav1.CheckFrame) error {
	const questions, contexts = "frame.questions", "frame.contexts"
	n := len(f.GetQuestions())
	switch {
	case n == 0:
		return missing(questions, "ask at least one question")
	case n%frameFields != 0:
		return invalid(questions, "", "six numbers are a question")
	case n > maxItems*frameFields:
		return tooMany(questions, n/frameFields, maxItems)
	}
	for _, i := range f.GetQuestions() {
		if int64(i) > int64(len(f.GetTexts())) {
			return invalid(questions, "", "each number is one of a text, or 0")
		}
	}
	for _, c := range f.GetContexts() {
		if int64(c.GetQuestion()) >= int64(n/frameFields) {
			return invalid(contexts, "", "each is of a question of the frame")
		}
	}
	return nil
}

// translate translates the questions as checkOf does.
func (f *checkFrame) translate() {
	numbers := f.frame.GetQuestions()
	for i := range f.n {
		of := numbers[i*frameFields:][:frameFields]
		f.questions = append(f.questions, authz.Question{
			Object: tuple.Object{Type: f.text(of[0]), ID: f.text(of[1])}, Permission: f.text(of[2]),
			Subject: plainSubject(f.text(of[3]), f.text(of[4]), f.text(of[5])),
		})
		if f.questions[i].Permission == "" {
			f.refuse(i, missingPermission())
		}
	}
	for i, text := range contextsOf(f.frame, f.n) {
		var err error
		if f.questions[i].Context, err = contextOf("context_json", text); err != nil {
			f.refuse(i, err)
		}
	}
}

// contextsOf returns the contexts of a frame's n questions, nil = none has one.
func contextsOf(f *pembav1.CheckFrame, n int) []string {
	if len(f.GetContexts()) == 0 {
		return nil
	}
	contexts := make([]string, n)
	for _, c := range f.GetContexts() {
		contexts[c.GetQuestion()] = c.GetContextJson()
	}
	return contexts
}

// refuse notes what is wrong with a question, the first thing of several.
func (f *checkFrame) refuse(i int, err error) {
	if f.wrong == nil {
		f.wrong = make([]error, f.n)
	}
	if f.wrong[i] == nil {
		f.wrong[i] = err
	}
}

func (f *checkFrame) text(number uint32) string {
	if number == 0 {
		return ""
	}
	return f.frame.GetTexts()[number-1]
}

// choose finds where the frame's questions are answered, within its time.
func (f *checkFrame) choose() {
	var err error
	f.asked, err = consistencyOf(f.frame.GetConsistency())
	f.cancel = func() {}
	switch {
	case f.frame.GetTimeoutMs() > 0:
		f.ctx, f.cancel = context.WithTimeout(f.ctx, time.Duration(f.frame.GetTimeoutMs())*time.Millisecond)
	case f.asked.Level != authz.Any:
		f.ctx, f.cancel = f.stream.server.bounded(f.ctx)
	}
	if err == nil {
		err = f.view()
	}
	f.atErr = err
}

// view finds the view, and there the names of all questions. It is its own
// function so that a panic is the frame's error only.
func (f *checkFrame) view() (err error) {
	s := f.stream.server
	defer func() {
		if p := recover(); p != nil {
			err = s.guard.panicked("StreamCheck", p)
		}
	}()
	f.at, err = s.service.Viewpoint(f.ctx, f.frame.GetTenant(), f.asked)
	if err == nil {
		f.at.Resolve(f.questions, &f.resolved)
	}
	return err
}

// work answers questions until all are taken.
func (f *checkFrame) work() {
	measured := f.stream.server.checks.Series()
	for {
		i := int(f.next.Add(1)) - 1
		if i >= f.n {
			return
		}
		f.answer(i)
		measured.Ended(uint32(f.done[i].err.GetCode()))
		f.mu.Lock()
		f.ready = append(f.ready, uint32(i))
		f.mu.Unlock()
	}
}

func (f *checkFrame) answer(i int) {
	s, r := f.stream.server, &f.done[i]
	defer func() {
		if p := recover(); p != nil {
			*r = frameResult{err: s.guard.itemError("", s.guard.panicked("StreamCheck", p))}
		}
	}()
	a, err := f.decide(i)
	if err != nil {
		r.err = s.guard.itemError("", stopped(f.stream.ctx, atConsistency(err, f.asked)))
		return
	}
	*r = frameResult{decision: decisionOf(a.Decision), steps: count(a.Steps), reads: count(a.Reads), missing: a.Missing}
}

func (f *checkFrame) decide(i int) (authz.Answer, error) {
	if f.wrong != nil && f.wrong[i] != nil {
		return authz.Answer{}, f.wrong[i]
	}
	if f.atErr != nil {
		return authz.Answer{}, f.atErr
	}
	return f.at.CheckResolved(f.ctx, &f.resolved, i)
}

// tick runs while the frame takes long.
func (f *checkFrame) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	taken := f.next.Load()
	stuck := taken == f.seen && int(taken) < f.n && f.helpers < maxFrameHelpers
	f.seen = taken
	if stuck {
		f.helpers++
	}
	if stuck || len(f.ready) > 0 {
		f.busy++
		f.shared++
		f.stream.workers.Go(func() { // the first goroutine is one of the workers, so this is before their end
			_ = f.flush() // a stream that is broken tells who receives
			if stuck {
				f.work()
			}
			_ = f.leave()
		})
	}
	f.timer.Reset(f.period())
}

func (f *checkFrame) period() time.Duration { return cmp.Or(f.stream.server.streams.tick, frameTick) }

// leave sends what is ready. The last goroutine ends the frame before.
func (f *checkFrame) leave() error {
	f.mu.Lock()
	f.busy--
	last := f.busy == 0
	f.mu.Unlock()
	if last {
		f.end()
	}
	return f.flush()
}

// flush sends the answers that are ready.
func (f *checkFrame) flush() error {
	f.mu.Lock()
	ready := f.ready
	f.ready = nil
	f.mu.Unlock()
	if len(ready) == 0 {
		return nil
	}
	reply := &frameReply{message: codec.StreamAnswer{ID: f.id, Kind: codec.IsFrame}}
	answer := &reply.answer
	numbers := make([]int32, 2*len(ready))
	answer.Decisions = make([]pembav1.Decision, len(ready))
	answer.Steps, answer.Reads = numbers[:len(ready)], numbers[len(ready):]
	if len(ready) < f.n {
		answer.Questions = ready
	}
	for k := range ready {
		i := k
		if len(ready) < f.n {
			i = int(ready[k])
		}
		r := &f.done[i]
		answer.Decisions[k], answer.Steps[k], answer.Reads[k] = r.decision, r.steps, r.reads
		if r.err != nil {
			answer.Errors = append(answer.Errors, &pembav1.CheckFrameAnswer_FrameError{Decision: uint32(k), Error: r.err})
		}
		if len(r.missing) > 0 {
			answer.Missing = append(answer.Missing, &pembav1.CheckFrameAnswer_FrameMissing{Decision: uint32(k), MissingContext: r.missing})
		}
	}
	if f.atErr == nil {
		reply.time.Seconds, reply.time.Nanos = seconds(f.at.Time)
		answer.Token, answer.DecisionTime = f.at.Token, &reply.time
	}
	reply.message.Frame = answer
	return f.stream.send(&reply.message)
}

// A frameReply is a message with its parts in one allocation.
type frameReply struct {
	message codec.StreamAnswer
	answer  pembav1.CheckFrameAnswer
	time    timestamppb.Timestamp
}

// end counts and traces the frame.
func (f *checkFrame) end() {
	f.cancel()
	var whole *pembav1.Error
	if f.atErr != nil {
		whole = f.done[0].err
	}
	if f.span.Traced() {
		traceFrame(f.span, f.done)
	}
	endItem(f.call, f.span, whole)
}
