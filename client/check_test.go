package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/internal/testserver"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// open returns a client of one server with schema.
func open(t testing.TB, c Config) *Client {
	t.Helper()
	node := testserver.Open(t)
	node.WriteSchema(schema)
	c.Addrs = []string{node.Serve(testserver.Config{}).Addr}
	return dial(t, c)
}

func TestCheck_TellsTheDecision(t *testing.T) {
	c := open(t, Config{})
	token := touch(t, c, "doc:a#viewer@user:ann", `doc:a#viewer@user:kim[adult]`)
	for question, want := range map[string]Decision{
		"doc:a#view@user:ann": Allowed, "doc:a#view@user:bob": Denied, "doc:a#view@user:kim": Conditional,
	} {
		r := ask(t, question)
		r.Consistency = AtLeast(token)
		a, err := c.Check(t.Context(), r)
		if err != nil || a.Decision != want || a.Allowed() != (want == Allowed) || a.Token != token || time.Since(a.Time) > time.Minute {
			t.Errorf("%s: %+v, %v", question, a, err)
		}
	}
	kim := ask(t, "doc:a#view@user:kim")
	if a, _ := c.Check(t.Context(), kim); !cmp.Equal(a.Missing, []string{"age"}) {
		t.Errorf("missing is %v", a.Missing)
	}
	kim.Context = map[string]any{"age": 18}
	if a, err := c.Check(t.Context(), kim); err != nil || !a.Allowed() {
		t.Errorf("with context: %+v, %v", a, err)
	}
}

func TestCheck_CountsContextualTuples(t *testing.T) {
	c := open(t, Config{})
	r := ask(t, "doc:a#view@user:bob")
	r.Contextual = []tuple.Tuple{parse(t, "doc:a#owner@user:bob")}
	if a, err := c.Check(t.Context(), r); err != nil || !a.Allowed() {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestCheck_ErrorNamesReasonFieldAndFix(t *testing.T) {
	c := open(t, Config{})
	a, err := c.Check(t.Context(), ask(t, "dok:a#view@user:ann"))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, %v", a, err)
	}
	if e.Code != codes.InvalidArgument || e.Reason != "UNKNOWN_TYPE" || e.Field != "object.type" || e.Value != "dok" || e.Fix == "" {
		t.Errorf("got %+v", e)
	}
	if status.Code(err) != codes.InvalidArgument || a.Decision != NoDecision || strings.Count(e.Error(), e.Fix) != 1 {
		t.Errorf("got %v, %v", a.Decision, err)
	}
}

func TestCheck_UnknownDecisionIsAnError(t *testing.T) {
	for _, d := range []pb.Decision{pb.Decision_DECISION_UNSPECIFIED, 77} {
		f := &fake{check: func(context.Context, *pb.CheckRequest) (*pb.CheckResponse, error) {
			return &pb.CheckResponse{Decision: d}, nil
		}}
		c := dial(t, Config{Addrs: []string{f.serve(t)}})
		if a, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann")); err == nil || a.Allowed() {
			t.Errorf("decision %d: %+v, %v", d, a, err)
		}
	}
}

func TestBatchCheck_OneFailureLeavesTheOthers(t *testing.T) {
	c := open(t, Config{})
	token := touch(t, c, "doc:a#viewer@user:ann")
	var r BatchRequest
	for _, q := range []string{"doc:a#view@user:ann", "dok:a#view@user:ann", "doc:a#view@user:bob"} {
		p := parse(t, q)
		r.Questions = append(r.Questions, Question{Object: p.Object, Permission: p.Relation, Subject: p.Subject})
	}
	r.Consistency = Exactly(token)
	a, err := c.BatchCheck(t.Context(), r)
	if err != nil || len(a.Results) != 3 || a.Token != token {
		t.Fatalf("got %+v, %v", a, err)
	}
	if !a.Results[0].Allowed() || a.Results[2].Decision != Denied || a.Results[1].Decision != NoDecision {
		t.Errorf("got %+v", a.Results)
	}
	if reasonOf(a.Results[1].Err) != "UNKNOWN_TYPE" || a.Results[0].Err != nil {
		t.Errorf("got %v, %v", a.Results[0].Err, a.Results[1].Err)
	}
}

func TestCheck_TheDeadlineIsTheCallers(t *testing.T) {
	hang := &fake{check: func(ctx context.Context, _ *pb.CheckRequest) (*pb.CheckResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	addr := hang.serve(t)
	for _, addrs := range [][]string{{addr}, {addr, addr}} {
		c := dial(t, Config{Addrs: addrs, HedgeAfter: 20 * time.Millisecond})
		start := time.Now()
		_, err := c.Check(within(t, 200*time.Millisecond), ask(t, "doc:a#view@user:ann"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2*time.Second {
			t.Errorf("%d servers: %v after %v", len(addrs), err, time.Since(start))
		}
	}
}

func TestCheck_SendsTheKey(t *testing.T) {
	node := testserver.Open(t)
	node.WriteSchema(schema)
	s := node.Serve(testserver.Config{Keys: func(key string) (string, bool) { return "app", key == "right" }})
	for key, reason := range map[string]string{"right": "", "wrong": "WRONG_KEY", "": "NO_KEY"} {
		c := dial(t, Config{Addrs: []string{s.Addr}, Key: key})
		if _, err := c.Check(t.Context(), ask(t, "doc:a#view@user:ann")); reasonOf(err) != reason {
			t.Errorf("key %q: %v", key, err)
		}
		for _, err := range c.ListObjects(t.Context(), ListObjectsRequest{Type: "doc", Permission: "view", Subject: tuple.Subject{Type: "user", ID: "ann"}}) {
			if reasonOf(err) != reason {
				t.Errorf("key %q: list: %v", key, err)
			}
		}
		stream := c.CheckStream()
		defer stream.Close()
		if _, err := stream.Check(t.Context(), ask(t, "doc:a#view@user:ann")); reasonOf(err) != reason {
			t.Errorf("key %q: stream: %v", key, err)
		}
	}
}

func TestDial_RefusesToSendTheKeyInPlaintext(t *testing.T) {
	for _, c := range []struct {
		config Config
		fine   bool
	}{
		{Config{Addrs: []string{"192.0.2.1:1"}, Key: "k"}, false},
		{Config{Addrs: []string{"127.0.0.1:1", "example.com:1"}, Key: "k"}, false},
		{Config{Addrs: []string{"192.0.2.1:1"}, Key: "k", Insecure: true}, true},
		{Config{Addrs: []string{"192.0.2.1:1"}}, true},
		{Config{Addrs: []string{"localhost:1"}, Key: "k"}, true},
		{Config{}, false},
		{Config{Addrs: []string{"localhost"}}, false},
	} {
		client, err := Dial(c.config)
		if (err == nil) != c.fine {
			t.Errorf("%+v: %v", c.config, err)
		}
		if err == nil {
			_ = client.Close()
		}
	}
}
