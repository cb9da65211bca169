package native

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/internal/telemetry"
	"github.com/pemba-authz/pemba/internal/telemetry/recorded"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func newMeter() *telemetry.Meter { return &telemetry.Meter{} }

func TestMeter_CountsByMethodAndCode(t *testing.T) {
	meter := newMeter()
	f, s := serverWith(t, t.TempDir(), func(c *Config) { c.Meter = meter }, authz.Options{})
	s.streams.tick = time.Hour // a frame's answers come in one message
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.ask(t, "doc:readme#view@user:ann", nil)
	}
	_, _ = f.permissions.Check(deadline(t), &pembav1.CheckRequest{})
	stream, err := f.permissions.StreamCheck(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*pembav1.StreamCheckRequest{
		{Id: 1, Question: &pembav1.StreamCheckRequest_Check{Check: asks(t, "doc:readme#view@user:ann")}},
		{Id: 2, Question: &pembav1.StreamCheckRequest_Check{Check: asks(t, "dok:readme#view@user:ann")}},
		framed(t, 3, nil, "doc:readme#view@user:ann", "doc:readme#view@user:bob", "dok:readme#view@user:ann"),
	} {
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string][4]uint64{}
	for _, m := range meter.Stats() {
		got[m.Method] = [4]uint64{m.InFlight, m.Codes[codes.OK], m.Codes[codes.InvalidArgument], m.Latency.Count()}
	}
	want := map[string][4]uint64{
		"WriteSchema": {0, 1, 0, 1}, "Check": {0, 3, 1, 4},
		"StreamCheck": {1, 0, 0, 0}, "StreamCheck/Check": {0, 3, 2, 5}, "StreamCheck/Frame": {0, 1, 0, 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMeter_CountsStrangersAndPanics(t *testing.T) {
	meter := newMeter()
	conn := start(t, New(Config{Keys: right, Meter: meter, Log: discard}))
	client := pembav1.NewPermissionServiceClient(conn)
	_, _ = client.Check(deadline(t), &pembav1.CheckRequest{})
	_, _ = client.Check(withKey(deadline(t), "Bearer right"), asks(t, "doc:a#view@user:b")) // panics without a service
	m := meter.Stats()[0]
	if m.Codes[codes.Unauthenticated] != 1 || m.Codes[codes.Internal] != 1 || m.InFlight != 0 {
		t.Errorf("got %+v", m)
	}
}

const traced = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// inTrace makes a request part of the caller's trace.
func inTrace(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "traceparent", traced)
}

func TestTracer_SpansOfAWriteAndOfChecks(t *testing.T) {
	tracer, spans := recorded.New(0)
	part := func(ctx context.Context, name string) (context.Context, func(error)) {
		ctx, span := tracer.Part(ctx, name)
		return ctx, func(error) { span.End() }
	}
	f, _ := serverWith(t, t.TempDir(), func(c *Config) { c.Tracer = tracer }, authz.Options{Part: part})
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	write := &pembav1.WriteRequest{Updates: updates(t, pembav1.Update_OPERATION_TOUCH, "doc:readme#owner@user:ann")}
	if _, err := f.tuples.Write(inTrace(deadline(t)), write); err != nil {
		t.Fatal(err)
	}
	question := asks(t, "doc:readme#view@user:ann")
	question.Consistency = latest()
	if _, err := f.permissions.Check(inTrace(deadline(t)), question); err != nil {
		t.Fatal(err)
	}
	want := recorded.Tree{
		"pemba.v1.TupleService/Write":      {"propose": {}},
		"pemba.v1.PermissionService/Check": {"check": {"read index": {}}},
	}
	if diff := cmp.Diff(want, spans.Below("00f067aa0ba902b7")); diff != "" {
		t.Error(diff)
	}
	if steps := spans.Attribute("check", "pemba.steps"); steps == "" || steps == "0" {
		t.Errorf("the check's span says %q steps", steps)
	}
	if decision := spans.Attribute("check", "pemba.decision"); decision != "allowed" {
		t.Errorf("the check's span says %q", decision)
	}
}

func TestTracer_SaysHowARequestFailedWithoutItsWords(t *testing.T) {
	tracer, spans := recorded.New(1)
	f, _ := serverWith(t, t.TempDir(), func(c *Config) { c.Tracer = tracer }, authz.Options{})
	_, _ = f.permissions.Check(deadline(t), asks(t, "secret:a#view@user:ann"))
	const name = "pemba.v1.PermissionService/Check"
	if diff := cmp.Diff(recorded.Tree{name: {"check": {}}}, spans.Below(recorded.Root)); diff != "" {
		t.Error(diff)
	}
	if spans.Failure(name) != "NO_SCHEMA" || spans.Failure("check") != "NO_SCHEMA" || spans.Attribute(name, "rpc.grpc.status_code") != fmt.Sprint(int(codes.FailedPrecondition)) {
		t.Errorf("got %q, %q, %q", spans.Failure(name), spans.Failure("check"), spans.Attribute(name, "rpc.grpc.status_code"))
	}
}
