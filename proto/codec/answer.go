package codec

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A Result is a decision with what it cost, or why there is none: of a
// CheckResponse, which has no errors, or a BatchCheckResult. Its missing context
// and error are nobody's to change.
type Result struct {
	Decision     pb.Decision
	Steps, Reads int32
	Missing      []string
	Error        *pb.Error
}

// View is what an answer rests on.
type View struct {
	Token   string
	HasTime bool
	Seconds int64 // of the decision time, as google.protobuf.Timestamp has them
	Nanos   int32
}

func (v *View) encode(e *encoder, token, time byte) {
	e.string(token, v.Token)
	if v.HasTime {
		start := e.open(time)
		e.number(1, v.Seconds)
		e.number(2, int64(v.Nanos))
		e.close(start)
	}
}

func (v *View) decodeTime(text string) bool {
	v.HasTime = true
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			v.Seconds = int64(r.oneVarint(f, kind))
		case 2:
			v.Nanos = int32(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	return !r.bad
}

func (v *View) time() *timestamppb.Timestamp {
	if !v.HasTime {
		return nil
	}
	return &timestamppb.Timestamp{Seconds: v.Seconds, Nanos: v.Nanos}
}

func viewOf(token string, t *timestamppb.Timestamp) View {
	return View{Token: token, HasTime: t != nil, Seconds: t.GetSeconds(), Nanos: t.GetNanos()}
}

// encode writes what a CheckResponse and a BatchCheckResult begin with. Work is
// there unless there is no decision.
func (x *Result) encode(e *encoder) {
	e.number(1, int64(x.Decision))
	for _, name := range x.Missing {
		e.element(2, name)
	}
	if x.Error != nil {
		return
	}
	start := e.open(3)
	e.number(1, int64(x.Steps))
	e.number(2, int64(x.Reads))
	e.close(start)
}

func (x *Result) decodeWork(text string) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			x.Steps = int32(r.oneVarint(f, kind))
		case 2:
			x.Reads = int32(r.oneVarint(f, kind))
		default:
			return false
		}
	}
	return !r.bad
}

// decodeField reads a field that a CheckResponse and a BatchCheckResult have.
func (x *Result) decodeField(r *reader, f, kind uint64) {
	switch f {
	case 1:
		x.Decision = pb.Decision(r.oneVarint(f, kind))
	case 2:
		r.bad = r.bad || kind != bytesType
		x.Missing = append(x.Missing, r.string())
	case 3:
		r.bad = !x.decodeWork(r.oneMessage(f, kind)) || r.bad
	}
}

func (x *Result) work() *pb.Work {
	if x.Error != nil {
		return nil
	}
	return &pb.Work{Steps: x.Steps, Reads: x.Reads}
}

// An Answer is a pb.CheckResponse.
type Answer struct {
	Result
	View
}

func (a *Answer) decode(text string) bool {
	*a = Answer{}
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1, 2, 3:
			a.decodeField(&r, f, kind)
		case 4:
			a.Token = r.oneString(f, kind)
		case 5:
			r.bad = !a.decodeTime(r.oneMessage(f, kind)) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}

func (a *Answer) encode(e *encoder) {
	a.Result.encode(e)
	a.View.encode(e, 4, 5)
}

// Response is a as one of the library's messages.
func (a *Answer) Response() *pb.CheckResponse {
	return &pb.CheckResponse{Decision: a.Decision, MissingContext: a.Missing, Work: a.work(), Token: a.Token, DecisionTime: a.time()}
}

// From makes a what m is.
func (a *Answer) From(m *pb.CheckResponse) {
	*a = Answer{
		Result: Result{Decision: m.GetDecision(), Steps: m.GetWork().GetSteps(), Reads: m.GetWork().GetReads(), Missing: m.GetMissingContext()},
		View:   viewOf(m.GetToken(), m.GetDecisionTime()),
	}
}

func (a *Answer) library() proto.Message { return a.Response() }
func (*Answer) empty() proto.Message     { return new(pb.CheckResponse) }
func (a *Answer) take(m proto.Message)   { a.From(m.(*pb.CheckResponse)) }

// A BatchAnswer is a pb.BatchCheckResponse.
type BatchAnswer struct {
	Results []Result
	View
}

// Clear makes a as new, but for its memory.
func (a *BatchAnswer) Clear() {
	clear(a.Results)
	*a = BatchAnswer{Results: a.Results[:0]}
}

func (a *BatchAnswer) decode(text string) bool {
	a.Clear()
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1:
			a.Results = append(a.Results, Result{})
			r.bad = !a.Results[len(a.Results)-1].decode(r.repeated(kind)) || r.bad
		case 2:
			a.Token = r.oneString(f, kind)
		case 3:
			r.bad = !a.decodeTime(r.oneMessage(f, kind)) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}

func (x *Result) decode(text string) bool {
	r := reader{text: text}
	for f, kind := r.next(); f != 0; f, kind = r.next() {
		switch f {
		case 1, 2, 3:
			x.decodeField(&r, f, kind)
		case 4:
			x.Error = new(pb.Error)
			r.bad = !decodeError(r.oneMessage(f, kind), x.Error) || r.bad
		default:
			return false
		}
	}
	return !r.bad
}

func (a *BatchAnswer) encode(e *encoder) {
	for i := range a.Results {
		start := e.open(1)
		a.Results[i].encode(e)
		e.failure(4, a.Results[i].Error)
		e.close(start)
	}
	a.View.encode(e, 2, 3)
}

// Response is a as one of the library's messages.
func (a *BatchAnswer) Response() *pb.BatchCheckResponse {
	m := &pb.BatchCheckResponse{Token: a.Token, DecisionTime: a.time()}
	for i := range a.Results {
		x := &a.Results[i]
		m.Results = append(m.Results, &pb.BatchCheckResult{Decision: x.Decision, MissingContext: x.Missing, Work: x.work(), Error: x.Error})
	}
	return m
}

// From makes a what m is.
func (a *BatchAnswer) From(m *pb.BatchCheckResponse) {
	a.Clear()
	a.View = viewOf(m.GetToken(), m.GetDecisionTime())
	for _, r := range m.GetResults() {
		a.Results = append(a.Results, Result{
			Decision: r.GetDecision(), Steps: r.GetWork().GetSteps(), Reads: r.GetWork().GetReads(), Missing: r.GetMissingContext(), Error: r.GetError(),
		})
	}
}

func (a *BatchAnswer) library() proto.Message { return a.Response() }
func (*BatchAnswer) empty() proto.Message     { return new(pb.BatchCheckResponse) }
func (a *BatchAnswer) take(m proto.Message)   { a.From(m.(*pb.BatchCheckResponse)) }
