package native

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// testSchema has each kind of thing that a request can get wrong.
const testSchema = `use expiration

caveat adult(age int, minimum int) {
  age >= minimum
}

definition user {}

definition group {
  relation member: user | group#member
}

definition doc {
  relation owner: user
  relation viewer: user | user:* | group#member | user with adult | user with expiration
  relation banned: user
  permission view = (viewer + owner) - banned
  permission edit = owner
}
`

// A fixture is a server on a real node with its clients.
type fixture struct {
	node        *cluster.Node
	permissions pembav1.PermissionServiceClient
	bench       pembav1.BenchServiceClient
	tuples      pembav1.TupleServiceClient
	schemas     pembav1.SchemaServiceClient
	cluster     pembav1.ClusterServiceClient
	tenants     pembav1.TenantServiceClient
}

var discard = slog.New(slog.DiscardHandler)

// open starts a node without a schema in a directory of t's.
func open(t testing.TB) *fixture {
	t.Helper()
	return openIn(t, t.TempDir())
}

// openServer is open for tests that stop the server themselves.
func openServer(t testing.TB) (*fixture, *Server) {
	t.Helper()
	return serverIn(t, t.TempDir())
}

// openIn starts a node in a directory.
func openIn(t testing.TB, dir string) *fixture {
	t.Helper()
	f, _ := serverIn(t, dir)
	return f
}

func serverIn(t testing.TB, dir string) (*fixture, *Server) {
	t.Helper()
	return serverWith(t, dir, func(*Config) {}, authz.Options{})
}

// serverWith starts a node and a server whose configuration is amended.
func serverWith(t testing.TB, dir string, amend func(*Config), options authz.Options) (*fixture, *Server) {
	t.Helper()
	node, err := cluster.Open(deadline(t), cluster.Config{DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.Close)
	config := Config{
		Service: authz.New(node, checker, options), Version: "test",
		MaxReads: 1, MaxStall: 500 * time.Millisecond,
	}
	amend(&config)
	s := New(config)
	conn := start(t, s)
	s.SetReady(true)
	return &fixture{
		node:        node,
		permissions: pembav1.NewPermissionServiceClient(conn),
		bench:       pembav1.NewBenchServiceClient(conn),
		tuples:      pembav1.NewTupleServiceClient(conn),
		schemas:     pembav1.NewSchemaServiceClient(conn),
		cluster:     pembav1.NewClusterServiceClient(conn),
		tenants:     pembav1.NewTenantServiceClient(conn),
	}, s
}

// openWith starts a node with testSchema and tuples.
func openWith(t testing.TB, tuples ...string) *fixture {
	t.Helper()
	f := open(t)
	if _, err := f.schemas.WriteSchema(deadline(t), &pembav1.WriteSchemaRequest{Schema: testSchema}); err != nil {
		t.Fatal(err)
	}
	if len(tuples) > 0 {
		f.touch(t, tuples...)
	}
	return f
}

// touch writes tuples and returns the token of the write.
func (f *fixture) touch(t testing.TB, tuples ...string) string {
	t.Helper()
	reply, err := f.tuples.Write(deadline(t), &pembav1.WriteRequest{Updates: updates(t, pembav1.Update_OPERATION_TOUCH, tuples...)})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetToken()
}

// remove deletes tuples and returns the token of the write.
func (f *fixture) remove(t testing.TB, tuples ...string) string {
	t.Helper()
	reply, err := f.tuples.Write(deadline(t), &pembav1.WriteRequest{Updates: updates(t, pembav1.Update_OPERATION_DELETE, tuples...)})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetToken()
}

// ask asks one question, written as a tuple, at a consistency.
func (f *fixture) ask(t testing.TB, question string, at *pembav1.Consistency) *pembav1.CheckResponse {
	t.Helper()
	request := asks(t, question)
	request.Consistency = at
	reply, err := f.permissions.Check(deadline(t), request)
	if err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return reply
}

// read returns the text of every tuple that a filter, in text form, selects.
func (f *fixture) read(t testing.TB, filter string, at *pembav1.Consistency) (tuples []string, token string, err error) {
	t.Helper()
	stream, err := f.tuples.Read(deadline(t), &pembav1.ReadRequest{Filter: filterText(t, filter), Consistency: at})
	for err == nil {
		var reply *pembav1.ReadResponse
		if reply, err = stream.Recv(); err != nil {
			break
		}
		token = reply.GetToken()
		for _, p := range reply.GetTuples() {
			parsed, err := tupleOf("read", p)
			if err != nil {
				t.Fatal(err)
			}
			tuples = append(tuples, parsed.String())
		}
	}
	if err == io.EOF {
		err = nil
	}
	return tuples, token, err
}

// asks makes a request of a question written as a tuple.
func asks(t testing.TB, question string) *pembav1.CheckRequest {
	p := parse(t, question)
	return &pembav1.CheckRequest{Object: p.GetObject(), Permission: p.GetRelation(), Subject: p.GetSubject()}
}

func parse(t testing.TB, text string) *pembav1.Tuple {
	t.Helper()
	parsed, err := tuple.ParseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return protoTuple(parsed)
}

func updates(t testing.TB, op pembav1.Update_Operation, tuples ...string) []*pembav1.Update {
	t.Helper()
	var us []*pembav1.Update
	for _, text := range tuples {
		us = append(us, &pembav1.Update{Operation: op, Tuple: parse(t, text)})
	}
	return us
}

func filterText(t testing.TB, text string) *pembav1.TupleFilter {
	t.Helper()
	f, err := tuple.ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	p := &pembav1.TupleFilter{Type: f.Type, Id: f.ID, Relation: f.Relation}
	if f.SubjectType != "" {
		p.Subject = &pembav1.SubjectFilter{Type: f.SubjectType, Id: f.SubjectID, Relation: f.SubjectRelation}
	}
	return p
}

func atLeast(token string) *pembav1.Consistency {
	return &pembav1.Consistency{Level: &pembav1.Consistency_AtLeast{AtLeast: token}}
}

func exactly(token string) *pembav1.Consistency {
	return &pembav1.Consistency{Level: &pembav1.Consistency_Exactly{Exactly: token}}
}

func latest() *pembav1.Consistency {
	return &pembav1.Consistency{Level: &pembav1.Consistency_Latest{Latest: &pembav1.Consistency_LatestLevel{}}}
}

// A failure is what a client's program sees of an error.
type failure struct {
	Code   codes.Code
	Reason string
	Field  string // "" = no field is to blame
	Fix    bool   // the error says what to do
}

func metadataOf(err error) map[string]string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetMetadata()
		}
	}
	return nil
}

func failureOf(err error) failure {
	got := failure{Code: status.Code(err)}
	for _, d := range status.Convert(err).Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			got.Reason = d.GetReason()
			got.Fix = d.GetMetadata()["fix"] != ""
		case *errdetails.BadRequest:
			got.Field = d.GetFieldViolations()[0].GetField()
		}
	}
	return got
}
