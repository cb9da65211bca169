package native

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// framed makes a frame of questions written as tuples.
func framed(t testing.TB, id uint64, at *pembav1.Consistency, questions ...string) *pembav1.StreamCheckRequest {
	t.Helper()
	frame := &pembav1.CheckFrame{Consistency: at}
	number := func(text string) uint32 {
		if text == "" {
			return 0
		}
		if i := slices.Index(frame.Texts, text); i >= 0 {
			return uint32(i + 1)
		}
		frame.Texts = append(frame.Texts, text)
		return uint32(len(frame.Texts))
	}
	for _, q := range questions {
		p := parse(t, q)
		for _, text := range []string{
			p.GetObject().GetType(), p.GetObject().GetId(), p.GetRelation(),
			p.GetSubject().GetType(), p.GetSubject().GetId(), p.GetSubject().GetRelation(),
		} {
			frame.Questions = append(frame.Questions, number(text))
		}
	}
	return &pembav1.StreamCheckRequest{Id: id, Question: &pembav1.StreamCheckRequest_Frame{Frame: frame}}
}

// exchange sends a message on a new stream and returns the first answer to it.
func (f *fixture) exchange(t testing.TB, r *pembav1.StreamCheckRequest) *pembav1.StreamCheckResponse {
	t.Helper()
	stream := f.checkStream(t)
	if err := stream.Send(r); err != nil {
		t.Fatal(err)
	}
	reply, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestCheckFrame_AnswersEachQuestion(t *testing.T) {
	f, s := openServer(t)
	s.streams.tick = time.Hour // all answers in one message
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	token := f.touch(t, "doc:a#viewer@user:ann", `doc:a#viewer@user:kim[adult:{"minimum":18}]`)
	request := framed(t, 7, exactly(token), "doc:a#view@user:ann", "doc:a#view@user:bob", "doc:a#view@user:kim", "dok:a#view@user:ann",
		"doc:a#view@user:kim", "doc:a#view@user:kim")
	request.GetFrame().Contexts = []*pembav1.CheckFrame_FrameContext{{Question: 4, ContextJson: `{"age":20}`}, {Question: 5, ContextJson: `{`}}
	reply := f.exchange(t, request)
	answer := reply.GetFrame()
	if reply.GetId() != 7 || answer.GetToken() != token || time.Since(answer.GetDecisionTime().AsTime()) > time.Minute {
		t.Errorf("got %v", reply)
	}
	const none, denied, conditional, allowed = pembav1.Decision_DECISION_UNSPECIFIED, pembav1.Decision_DECISION_DENIED,
		pembav1.Decision_DECISION_CONDITIONAL, pembav1.Decision_DECISION_ALLOWED
	if diff := cmp.Diff([]pembav1.Decision{allowed, denied, conditional, none, allowed, none}, answer.GetDecisions()); diff != "" {
		t.Error(diff)
	}
	want := []*pembav1.CheckFrameAnswer_FrameMissing{{Decision: 2, MissingContext: []string{"age"}}}
	if diff := cmp.Diff(want, answer.GetMissing(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	got := map[uint32]string{}
	for _, e := range answer.GetErrors() {
		got[e.GetDecision()] = e.GetError().GetReason() + " " + e.GetError().GetField()
	}
	if diff := cmp.Diff(map[uint32]string{3: "UNKNOWN_TYPE object.type", 5: "INVALID_FIELD context_json"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheckFrame_IsRefusedAsAWholeWhenItIsNone(t *testing.T) {
	f := openWith(t)
	good := framed(t, 1, nil, "doc:a#view@user:ann")
	for name, c := range map[string]struct {
		spoil func(*pembav1.CheckFrame)
		want  string
	}{
		"empty":    {func(f *pembav1.CheckFrame) { f.Questions = nil }, "MISSING_FIELD frame.questions"},
		"odd":      {func(f *pembav1.CheckFrame) { f.Questions = f.Questions[1:] }, "INVALID_FIELD frame.questions"},
		"too many": {func(f *pembav1.CheckFrame) { f.Questions = slices.Repeat(f.Questions, maxItems+1) }, "TOO_MANY frame.questions"},
		"text":     {func(f *pembav1.CheckFrame) { f.Questions[2] = 1 << 31 }, "INVALID_FIELD frame.questions"},
		"context": {func(f *pembav1.CheckFrame) {
			f.Contexts = []*pembav1.CheckFrame_FrameContext{{Question: 1 << 31}}
		}, "INVALID_FIELD frame.contexts"},
	} {
		request := proto.Clone(good).(*pembav1.StreamCheckRequest)
		c.spoil(request.GetFrame())
		e := f.exchange(t, request).GetError()
		if got := e.GetReason() + " " + e.GetField(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestCheckFrame_AsManyAsAllowed(t *testing.T) {
	f := openWith(t, "doc:a#viewer@user:ann")
	request := framed(t, 1, latest(), slices.Repeat([]string{"doc:a#view@user:ann"}, maxItems)...)
	stream := f.checkStream(t)
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < maxItems; {
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range reply.GetFrame().GetDecisions() {
			if n++; d != pembav1.Decision_DECISION_ALLOWED {
				t.Fatalf("got %v", reply)
			}
		}
	}
}

func TestCheckFrame_TakesATimeout(t *testing.T) {
	f := openWith(t)
	token := f.touch(t, "doc:a#viewer@user:ann")
	request := framed(t, 1, atLeast(token), "doc:a#view@user:ann")
	request.GetFrame().TimeoutMs = 60_000
	if got := f.exchange(t, request).GetFrame().GetDecisions(); !slices.Equal(got, []pembav1.Decision{pembav1.Decision_DECISION_ALLOWED}) {
		t.Errorf("got %v", got)
	}
}

// slowSchema has a caveat whose cost is the square of a list's length.
const slowSchema = `caveat slow(numbers list<int>) {
  numbers.all(x, numbers.all(y, x + y >= 0))
}

definition user {}

definition doc {
  relation viewer: user | user with slow
  permission view = viewer
}
`

// Questions in front of and behind a slow one, in the same frame, are answered
// before it. A machine may be too busy to show it each time.
func TestCheckFrame_ASlowQuestionDoesNotHoldOthersUp(t *testing.T) {
	f, s := openServer(t)
	s.streams.tick = 100 * time.Microsecond
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: slowSchema}); err != nil {
		t.Fatal(err)
	}
	f.touch(t, "doc:a#viewer@user:ann", "doc:a#viewer@user:slow[slow]")
	frame := framed(t, 1, nil, "doc:a#view@user:ann", "doc:a#view@user:bob", "doc:a#view@user:slow", "doc:a#view@user:bob")
	numbers := strings.TrimSuffix(strings.Repeat("1,", 100), ",")
	frame.GetFrame().Contexts = []*pembav1.CheckFrame_FrameContext{{Question: 2, ContextJson: `{"numbers":[` + numbers + `]}`}}
	var order []uint32
	for range 20 {
		if order = f.orderOfAnswers(t, frame); slices.Equal(order, []uint32{0, 1, 3, 2}) {
			return
		}
	}
	t.Errorf("whoever is in the frame waits for the slow one: %v", order)
}

// orderOfAnswers returns the questions of a frame in the order of their answers,
// which alternate between allowed and denied; none when all come at once.
func (f *fixture) orderOfAnswers(t *testing.T, r *pembav1.StreamCheckRequest) (order []uint32) {
	t.Helper()
	n := len(r.GetFrame().GetQuestions()) / frameFields
	stream := f.checkStream(t)
	if err := stream.Send(r); err != nil {
		t.Fatal(err)
	}
	for len(order) < n {
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		answer := reply.GetFrame()
		if len(answer.GetQuestions()) == 0 {
			return nil
		}
		for k, i := range answer.GetQuestions() {
			want := pembav1.Decision_DECISION_DENIED
			if i%2 == 0 {
				want = pembav1.Decision_DECISION_ALLOWED
			}
			if answer.GetDecisions()[k] != want || slices.Contains(order, i) {
				t.Errorf("question %d: %v", i, reply)
			}
			order = append(order, i)
		}
	}
	return order
}

func TestCheckFrame_ErrorsSayWhenToTryAgain(t *testing.T) {
	if e := (guard{}).itemError("", shuttingDown()); e.GetCode() != int32(codes.Unavailable) || e.GetRetry().AsDuration() != time.Second {
		t.Errorf("got %v", e)
	}
}

// Whatever a frame holds, it is refused or each of its questions can be read.
func FuzzCheckFrame(f *testing.F) {
	b, _ := proto.Marshal(framed(f, 1, nil, "doc:a#view@user:ann", "doc:b#view@group:g#member").GetFrame())
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		frame := &pembav1.CheckFrame{}
		if proto.Unmarshal(b, frame) != nil || checkFrameShape(frame) != nil {
			return
		}
		n := len(frame.GetQuestions()) / frameFields
		c := &checkFrame{frame: frame, n: n, frameRoom: newFrameRoom(n)}
		if c.translate(); len(c.questions) != n {
			t.Errorf("%d of %d questions", len(c.questions), n)
		}
		c.release()
	})
}
