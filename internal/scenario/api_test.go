package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/graph"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// TestScenarios_NativeAPI runs every file over gRPC against a durable node.
func TestScenarios_NativeAPI(t *testing.T) {
	rerun(t, func(t *testing.T) Engine { return openAPI(t) })
}

// api runs on a node of one member through the native front door.
type api struct {
	ctx         context.Context
	now         *atomic.Int64
	permissions pembav1.PermissionServiceClient
	tuples      pembav1.TupleServiceClient
	schemas     pembav1.SchemaServiceClient
	beyond      bool // the file has done what no API call does
}

func openAPI(t *testing.T) *api {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	a := &api{ctx: ctx, now: &atomic.Int64{}}
	a.now.Store(Begin.UnixNano())
	quiet := slog.New(slog.DiscardHandler)
	node, err := cluster.Open(ctx, cluster.Config{
		DataDir: t.TempDir(), HeartbeatTimeout: 10 * time.Millisecond, HorizonWindow: -1, Now: a.now.Load, Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.Close)
	server := native.New(native.Config{Service: authz.New(node, checker, authz.Options{Now: a.now.Load}), Log: quiet, Heartbeat: 10 * time.Millisecond})
	server.SetReady(true)
	conn := serve(t, server)
	a.permissions = pembav1.NewPermissionServiceClient(conn)
	a.tuples = pembav1.NewTupleServiceClient(conn)
	a.schemas = pembav1.NewSchemaServiceClient(conn)
	return a
}

func serve(t *testing.T, s *native.Server) *grpc.ClientConn {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		if err := errors.Join(s.Shutdown(context.Background()), <-served); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
	return conn
}

// Skips says that the API has no words for a command: limits of a question,
// subject sets, and schemas that leave tuples behind with all that follows.
func (a *api) Skips(d *datadriven.TestData) bool {
	a.beyond = a.beyond || d.HasArg("unchecked")
	limited := d.HasArg("depth") || d.HasArg("reads") || d.HasArg("contextual")
	return a.beyond || limited || d.Cmd == "check" && subjectSet.MatchString(d.Input)
}

// SetTime sets the clock of node and service.
func (a *api) SetTime(now int64) { a.now.Store(now) }

func (a *api) Schema(source string, _ bool) (string, []string, error) {
	r, err := a.schemas.WriteSchema(a.ctx, &pembav1.WriteSchemaRequest{Schema: source})
	var warnings []string
	for _, w := range r.GetWarnings() {
		warnings = append(warnings, "warning: "+w.GetMessage())
	}
	return r.GetToken(), warnings, err
}

func (a *api) Write(updates []store.Update, pre []store.Precondition, since []string) (string, error) {
	request := &pembav1.WriteRequest{}
	for _, u := range updates {
		op := map[store.Op]pembav1.Update_Operation{
			store.OpCreate: pembav1.Update_OPERATION_CREATE,
			store.OpTouch:  pembav1.Update_OPERATION_TOUCH,
			store.OpDelete: pembav1.Update_OPERATION_DELETE,
		}[u.Op]
		request.Updates = append(request.Updates, &pembav1.Update{Operation: op, Tuple: protoTuple(u.Tuple)})
	}
	for i, p := range pre {
		request.Preconditions = append(request.Preconditions, protoPrecondition(p, since[i]))
	}
	r, err := a.tuples.Write(a.ctx, request)
	return r.GetToken(), err
}

func (a *api) Check(at string, q graph.Question) (graph.Answer, error) {
	request := &pembav1.CheckRequest{
		Object: protoObject(q.Object), Permission: q.Permission, Subject: protoSubject(q.Subjects[0]), Consistency: consistency(at),
	}
	if q.Context != nil {
		text, err := json.Marshal(q.Context)
		if err != nil {
			return graph.Answer{}, err
		}
		request.ContextJson = string(text)
	}
	for _, t := range q.Contextual {
		request.ContextualTuples = append(request.ContextualTuples, protoTuple(t))
	}
	r, err := a.permissions.Check(a.ctx, request)
	if err != nil {
		return graph.Answer{}, err
	}
	decision, ok := map[pembav1.Decision]graph.Decision{
		pembav1.Decision_DECISION_ALLOWED:     graph.Allowed,
		pembav1.Decision_DECISION_DENIED:      graph.Denied,
		pembav1.Decision_DECISION_CONDITIONAL: graph.Conditional,
	}[r.GetDecision()]
	if !ok {
		return graph.Answer{}, errors.New("an answer without a decision")
	}
	return graph.Answer{Decision: decision, Missing: r.GetMissingContext()}, nil
}

func (a *api) Read(at string, f tuple.Filter) ([]tuple.Tuple, error) {
	stream, err := a.tuples.Read(a.ctx, &pembav1.ReadRequest{Filter: protoFilter(f), Consistency: consistency(at)})
	if err != nil {
		return nil, err
	}
	var out []tuple.Tuple
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return slices.Clip(out), nil
		}
		if err != nil {
			return nil, err
		}
		for _, p := range r.GetTuples() {
			out = append(out, tupleOf(p))
		}
	}
}
