package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// faulty is a server whose answers to writes and reads are the test's.
type faulty struct {
	pb.UnimplementedTupleServiceServer
	pb.UnimplementedSchemaServiceServer
	pb.UnimplementedPermissionServiceServer
	write func(context.Context) error
	read  func(context.Context) error // nil = it works
	asked []*pb.BatchCheckRequest
}

func (f *faulty) Write(ctx context.Context, _ *pb.WriteRequest) (*pb.WriteResponse, error) {
	return &pb.WriteResponse{Token: "t"}, f.write(ctx)
}

func (f *faulty) WriteSchema(ctx context.Context, _ *pb.WriteSchemaRequest) (*pb.WriteSchemaResponse, error) {
	return &pb.WriteSchemaResponse{Token: "t"}, f.write(ctx)
}

func (f *faulty) Read(_ *pb.ReadRequest, stream grpc.ServerStreamingServer[pb.ReadResponse]) error {
	if f.read != nil {
		return f.read(stream.Context())
	}
	return stream.Send(&pb.ReadResponse{Token: "t"})
}

// BatchCheck allows everything, each batch at a view of its own.
func (f *faulty) BatchCheck(_ context.Context, r *pb.BatchCheckRequest) (*pb.BatchCheckResponse, error) {
	f.asked = append(f.asked, r)
	reply := &pb.BatchCheckResponse{Token: fmt.Sprintf("t%d", len(f.asked))}
	for range r.GetItems() {
		reply.Results = append(reply.Results, &pb.BatchCheckResult{Decision: pb.Decision_DECISION_ALLOWED})
	}
	return reply, nil
}

// hang is a server that has the request and does not answer.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// serveFaulty starts f and returns its address.
func serveFaulty(t *testing.T, f *faulty, options ...grpc.ServerOption) (*grpc.Server, string) {
	t.Helper()
	l := listen(t)
	s := grpc.NewServer(options...)
	pb.RegisterTupleServiceServer(s, f)
	pb.RegisterSchemaServiceServer(s, f)
	pb.RegisterPermissionServiceServer(s, f)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return s, l.Addr().String()
}

// pemba runs a command line and returns its status and what it printed.
func pemba(stdin string, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(args, strings.NewReader(stdin), &out, &err)
	return status, out.String(), err.String()
}

const doubtful = "may or may not have been written; writing it again"

func TestWrite_SaysThatASilentServerMayHaveCarriedItOut(t *testing.T) {
	_, addr := serveFaulty(t, &faulty{write: hang})
	for _, c := range []struct {
		want, stdin string
		args        []string
	}{
		{"the last batch of 2 tuples " + doubtful + " is safe: no answer from " + addr + " in time", "a:b#c@d:e\na:b#c@d:f\n", []string{"tuple", "write", "-"}},
		{"the last batch of 1 tuple " + doubtful + " without --create is safe", "", []string{"tuple", "write", "--create", "a:b#c@d:e"}},
		{"the last batch of 1 tuple may or may not have been deleted", "", []string{"tuple", "delete", "a:b#c@d:e"}},
		{"the schema " + doubtful + " is safe", "definition user {}", []string{"schema", "write", "-"}},
	} {
		status, _, said := pemba(c.stdin, append(c.args, "--addr", addr, "--timeout", "200ms")...)
		if status != exitError || !strings.HasPrefix(said, "pemba: "+c.want) || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: status %d, %s", c.args, status, said)
		}
	}
}

func TestWrite_RemembersAnEarlierAttemptWhenNoServerIsLeft(t *testing.T) {
	var server *grpc.Server
	ready := make(chan struct{})
	f := &faulty{write: func(ctx context.Context) error {
		<-ready
		go server.Stop() // closes the connections, as kill -9 does
		return hang(ctx)
	}}
	server, addr := serveFaulty(t, f)
	close(ready)
	_, _, said := pemba("", "tuple", "write", "a:b#c@d:e", "--addr", addr, "--timeout", "1s")
	if !strings.Contains(said, doubtful) || !strings.Contains(said, "no server answers at "+addr) {
		t.Error(said)
	}
}

func TestWrite_IsNotInDoubtWhenItNeverWentOut(t *testing.T) {
	stalled := listen(t).Addr().String() // takes connections and says nothing
	closed := listen(t)
	closed.Close()
	for _, addr := range []string{stalled, closed.Addr().String()} {
		status, _, said := pemba("", "tuple", "write", "a:b#c@d:e", "--addr", addr, "--timeout", "200ms")
		if status != exitError || strings.Contains(said, "may or may not") {
			t.Errorf("status %d, %s", status, said)
		}
	}
}

func TestWrite_IsNotInDoubtAfterARefusal(t *testing.T) {
	_, addr := serveFaulty(t, &faulty{write: func(context.Context) error { return status.Error(codes.InvalidArgument, "no") }})
	if _, _, said := pemba("", "tuple", "write", "a:b#c@d:e", "--addr", addr); said != "pemba: no\n" {
		t.Error(said)
	}
}

func TestServers_AStalledAddressLeavesTimeForTheOthers(t *testing.T) {
	stalled := listen(t).Addr().String()
	_, hanging := serveFaulty(t, &faulty{write: hang})
	_, good := serveFaulty(t, &faulty{write: func(context.Context) error { return nil }})
	addrs := strings.Join([]string{stalled, hanging, good}, ",")
	start := time.Now()
	for _, args := range [][]string{{"tuple", "write", "a:b#c@d:e"}, {"schema", "write", "-"}, {"tuple", "read", "a"}} {
		status, _, said := pemba("", append(args, "--addr", addrs, "--timeout", "900ms")...)
		if status != exitOK {
			t.Errorf("%v after %s: status %d, %s", args, time.Since(start), status, said)
		}
	}
}

func TestErrors_AMessageThatIsTooLargeSaysWhatToDo(t *testing.T) {
	_, addr := serveFaulty(t, &faulty{}, grpc.MaxRecvMsgSize(64))
	status, _, said := pemba(strings.Repeat("// long\n", 100), "schema", "write", "-", "--addr", addr)
	if status != exitError || !strings.HasSuffix(said, "; send less at a time\n") {
		t.Errorf("status %d, %s", status, said)
	}
}

func TestCheckLines_AnswersAllBatchesAtTheViewOfTheFirst(t *testing.T) {
	f := &faulty{}
	_, addr := serveFaulty(t, f)
	status, out, said := pemba(strings.Repeat("a:b c d:e\n", 2*maxBatchCheck+1), "check", "-", "--latest", "--addr", addr)
	if status != exitOK || strings.Count(out, "allowed\n") != 2*maxBatchCheck+1 || len(f.asked) != 3 {
		t.Fatalf("status %d, %d batches, %s", status, len(f.asked), said)
	}
	if f.asked[0].GetConsistency().GetLatest() == nil {
		t.Errorf("the first batch is asked with %v", f.asked[0].GetConsistency())
	}
	for i := range 2 {
		if got := f.asked[i+1].GetConsistency().GetExactly(); got != "t1" {
			t.Errorf("batch %d is asked exactly at %q, not at the view of the first", i+2, got)
		}
	}
}

// TestRound_ARefusalSaysMoreThanSilence: of two servers, one has a reason and the
// other is not there.
func TestRound_ARefusalSaysMoreThanSilence(t *testing.T) {
	refuse := noLeader(t)
	_, addr := serveFaulty(t, &faulty{write: refuse, read: refuse})
	gone := listen(t)
	gone.Close()
	for _, addrs := range []string{addr + "," + gone.Addr().String(), gone.Addr().String() + "," + addr} {
		for _, command := range []string{"tuple write doc:a#viewer@user:b", "tuple read doc"} {
			args := append(strings.Fields(command), "--timeout", "300ms", "--addr", addrs)
			code, _, stderr := pemba("", args...)
			if code != exitError || !strings.Contains(stderr, "there is no leader") || strings.Contains(stderr, gone.Addr().String()) {
				t.Errorf("%v: status %d, %q", args, code, stderr)
			}
		}
	}
}

// noLeader refuses with a reason.
func noLeader(t *testing.T) func(context.Context) error {
	t.Helper()
	refusal, err := status.New(codes.Unavailable, "there is no leader").WithDetails(&errdetails.ErrorInfo{Reason: "NO_LEADER", Domain: "pemba.v1"})
	if err != nil {
		t.Fatal(err)
	}
	return func(context.Context) error { return refusal.Err() }
}

// TestPersist_AnEarlierRefusalSaysMoreThanSilence: a server refuses the first
// attempt with a reason, and says nothing to those that follow.
func TestPersist_AnEarlierRefusalSaysMoreThanSilence(t *testing.T) {
	refuse, attempts := noLeader(t), 0
	_, addr := serveFaulty(t, &faulty{write: func(ctx context.Context) error {
		if attempts++; attempts == 1 {
			return refuse(ctx)
		}
		return hang(ctx)
	}})
	code, _, stderr := pemba("", "tuple", "write", "doc:a#viewer@user:b", "--timeout", "500ms", "--addr", addr)
	if code != exitError || !strings.Contains(stderr, doubtful) || !strings.Contains(stderr, "there is no leader") {
		t.Errorf("status %d, %q", code, stderr)
	}
}

// TestWrite_StaysInDoubtAfterALaterRefusal: what the first attempt did, the
// refusal of the second does not tell.
func TestWrite_StaysInDoubtAfterALaterRefusal(t *testing.T) {
	for code, doubt := range map[codes.Code]bool{codes.InvalidArgument: true, codes.AlreadyExists: false} {
		_, hanging := serveFaulty(t, &faulty{write: hang})
		_, refusing := serveFaulty(t, &faulty{write: func(context.Context) error { return status.Error(code, "no") }})
		_, _, said := pemba("", "tuple", "write", "a:b#c@d:e", "--timeout", "600ms", "--addr", hanging+","+refusing)
		if strings.Contains(said, doubtful) != doubt || !strings.HasSuffix(said, "no\n") {
			t.Errorf("%v: %s", code, said)
		}
	}
}

func TestTransportText_ExpiredCertificate(t *testing.T) {
	e := &remoteError{addr: "10.0.0.1:50051", tls: true, status: status.New(codes.Unavailable,
		`connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-22T01:30:36Z is after 2026-11-21T01:30:26Z"`)}
	want := "no TLS with 10.0.0.1:50051 (certificate has expired or is not yet valid: current time 2026-11-22T01:30:36Z is after 2026-11-21T01:30:26Z); " +
		"renew its certificate, or set the clock right"
	if got := transportText(e); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestTransportText_TLSNameMismatch: the advice is about the name, not about the
// authority, which is right.
func TestTransportText_TLSNameMismatch(t *testing.T) {
	e := &remoteError{addr: "10.0.0.1:50051", tls: true, status: status.New(codes.Unavailable,
		`connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate is valid for 127.0.0.1, not 10.0.0.1"`)}
	text := transportText(e)
	if !strings.Contains(text, "(certificate is valid for 127.0.0.1, not 10.0.0.1)") || strings.Contains(text, "--tls-ca") {
		t.Error(text)
	}
}

func TestNodeText_UnreachableInPlainWords(t *testing.T) {
	text := nodeText(&pb.NodeStatus{Id: "n1", Address: "127.0.0.1:7070", Voter: true,
		Problem: `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:7070: connect: connection refused"`})
	if want := "n1 127.0.0.1:7070 voter: no answer (connection refused)"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
}

func TestWrite_SaysWhatIsInDoubtWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, addr := serveFaulty(t, &faulty{write: func(ctx context.Context) error {
		cancel()
		return hang(ctx)
	}})
	var said bytes.Buffer
	a := &app{out: &said, err: &said, addrs: addr, timeout: time.Minute}
	s, err := a.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sayInterrupted(&said, a.writeTuples(ctx, s, []string{"a:b#c@d:e"}, writeOptions{operation: pb.Update_OPERATION_TOUCH, batch: 1}))
	if want := "pemba: the last batch of 1 tuple " + doubtful + " is safe\n"; said.String() != want {
		t.Errorf("%q, want %q", said.String(), want)
	}
}
