package native

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	denied      = pembav1.Decision_DECISION_DENIED
	allowed     = pembav1.Decision_DECISION_ALLOWED
	conditional = pembav1.Decision_DECISION_CONDITIONAL
)

func TestCheck_AnswersWithDecisionTokenTimeAndWork(t *testing.T) {
	f := openWith(t, "doc:readme#viewer@group:eng#member", "group:eng#member@user:ann", "doc:readme#banned@user:bob", "doc:readme#viewer@user:bob")
	for question, want := range map[string]pembav1.Decision{
		"doc:readme#view@user:ann":         allowed,
		"doc:readme#view@group:eng#member": allowed,
		"doc:readme#view@user:bob":         denied,
		"doc:readme#view@user:stranger":    denied,
		"doc:unheard-of#view@user:ann":     denied,
		"doc:readme#viewer@user:bob":       allowed,
	} {
		got := f.ask(t, question, nil)
		if got.GetDecision() != want {
			t.Errorf("%s: got %v, want %v", question, got.GetDecision(), want)
		}
		if got.GetToken() == "" || got.GetDecisionTime().AsTime().Year() < 2000 || got.GetWork().GetSteps() == 0 {
			t.Errorf("%s: token, time or work is missing: %v", question, got)
		}
	}
}

func TestCheck_MissingContextIsConditionalAndNamed(t *testing.T) {
	f := openWith(t, `doc:readme#viewer@user:ann[adult:{"minimum":18}]`)
	request := asks(t, "doc:readme#view@user:ann")
	for context, want := range map[string]*pembav1.CheckResponse{
		"":             {Decision: conditional, MissingContext: []string{"age"}},
		`{"other": 1}`: {Decision: conditional, MissingContext: []string{"age"}},
		`{"age": 18}`:  {Decision: allowed},
		`{"age": 17}`:  {Decision: denied},
	} {
		request.ContextJson = context
		got, err := f.permissions.Check(deadline(t), request)
		if err != nil {
			t.Errorf("%s: %v", context, err)
			continue
		}
		if got.GetDecision() != want.GetDecision() || !cmp.Equal(got.GetMissingContext(), want.GetMissingContext()) {
			t.Errorf("%s: got %v, want %v", context, got, want)
		}
	}
}

func TestCheck_ContextKeepsLargeIntegersExact(t *testing.T) {
	// As floating-point numbers both would be 2^53.
	f := openWith(t, `doc:readme#viewer@user:ann[adult:{"minimum":9007199254740993}]`)
	request := asks(t, "doc:readme#view@user:ann")
	request.ContextJson = `{"age": 9007199254740992}`
	if got, err := f.permissions.Check(deadline(t), request); err != nil || got.GetDecision() != denied {
		t.Errorf("got %v, %v, want denied", got, err)
	}
}

func TestCheck_ContextualTuplesCountForOneQuestion(t *testing.T) {
	f := openWith(t)
	request := asks(t, "doc:readme#view@user:ann")
	request.ContextualTuples = []*pembav1.Tuple{parse(t, "doc:readme#owner@user:ann")}
	if got, err := f.permissions.Check(deadline(t), request); err != nil || got.GetDecision() != allowed {
		t.Errorf("with the tuple: got %v, %v", got, err)
	}
	if got := f.ask(t, "doc:readme#view@user:ann", nil); got.GetDecision() != denied {
		t.Errorf("without it: got %v", got)
	}
}

func TestBatchCheck_AnswersInOrderAtOneView(t *testing.T) {
	f := openWith(t, "doc:readme#owner@user:ann", `doc:readme#viewer@user:bob[adult:{"minimum":18}]`)
	request := &pembav1.BatchCheckRequest{}
	for _, q := range []string{
		"doc:readme#view@user:ann",
		"doc:readme#view@user:bob",
		"doc:readme#nothing@user:ann",
		"doc:readme#edit@user:bob",
	} {
		c := asks(t, q)
		request.Items = append(request.Items, &pembav1.BatchCheckItem{Object: c.Object, Permission: c.Permission, Subject: c.Subject})
	}
	reply, err := f.permissions.BatchCheck(deadline(t), request)
	if err != nil {
		t.Fatal(err)
	}
	var got []pembav1.Decision
	for _, r := range reply.GetResults() {
		got = append(got, r.GetDecision())
	}
	want := []pembav1.Decision{allowed, conditional, pembav1.Decision_DECISION_UNSPECIFIED, denied}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("decisions (-want +got):\n%s", diff)
	}
	failed := reply.GetResults()[2].GetError()
	if failed.GetField() != "items[2].permission" || codes.Code(failed.GetCode()) != codes.InvalidArgument || failed.GetValue() != "nothing" {
		t.Errorf("got error %v", failed)
	}
	if reply.GetToken() == "" || reply.GetDecisionTime() == nil {
		t.Errorf("token or time is missing: %v", reply)
	}
}

func TestEcho_RepliesAsManyBytesAsCheck(t *testing.T) {
	f := openWith(t, "doc:readme#owner@user:ann")
	check := f.ask(t, "doc:readme#view@user:ann", nil)
	echo, err := f.bench.Echo(deadline(t), asks(t, "doc:readme#view@user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	if echo.GetDecision() != pembav1.Decision_DECISION_UNSPECIFIED {
		t.Errorf("echo decides: %v", echo)
	}
	// A few bytes depend on the revision and the nanoseconds of the moment.
	if a, b := proto.Size(check), proto.Size(echo); a-b > 8 || b-a > 8 {
		t.Errorf("check replies %d bytes, echo %d", a, b)
	}
}
