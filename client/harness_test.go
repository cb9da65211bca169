package client

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

const schema = `caveat adult(age int) {
  age >= 18
}

definition user {}

definition doc {
  relation owner: user
  relation viewer: user | user with adult
  permission view = viewer + owner
}
`

// dial returns a client that ends with the test.
func dial(t testing.TB, c Config) *Client {
	t.Helper()
	client, err := Dial(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// startAt lets calls begin at the server with an index.
func (c *Client) startAt(i int) *Client {
	c.start.Store(uint32(i))
	return c
}

// within bounds a test's calls.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func parse(t testing.TB, text string) tuple.Tuple {
	t.Helper()
	parsed, err := tuple.ParseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func touch(t testing.TB, c *Client, texts ...string) string {
	t.Helper()
	var r WriteRequest
	for _, text := range texts {
		r.Updates = append(r.Updates, Update{Touch, parse(t, text)})
	}
	token, err := c.Write(within(t, 10*time.Second), r)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ask makes a question of one that is written as a tuple.
func ask(t testing.TB, text string) CheckRequest {
	t.Helper()
	p := parse(t, text)
	return CheckRequest{Object: p.Object, Permission: p.Relation, Subject: p.Subject}
}

// A fake is a server whose answers are the test's; nil = unimplemented.
type fake struct {
	pb.UnimplementedPermissionServiceServer
	pb.UnimplementedTupleServiceServer
	check  func(context.Context, *pb.CheckRequest) (*pb.CheckResponse, error)
	stream func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error
	write  func(context.Context, *pb.WriteRequest) (*pb.WriteResponse, error)
	list   func(*pb.ListObjectsRequest, grpc.ServerStreamingServer[pb.ListObjectsResponse]) error
	watch  func(*pb.WatchRequest, grpc.ServerStreamingServer[pb.WatchResponse]) error
}

func (f *fake) Check(ctx context.Context, r *pb.CheckRequest) (*pb.CheckResponse, error) {
	return f.check(ctx, r)
}

func (f *fake) StreamCheck(s grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
	if f.stream == nil {
		return f.UnimplementedPermissionServiceServer.StreamCheck(s)
	}
	return f.stream(s)
}

func (f *fake) Write(ctx context.Context, r *pb.WriteRequest) (*pb.WriteResponse, error) {
	return f.write(ctx, r)
}

func (f *fake) ListObjects(r *pb.ListObjectsRequest, s grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
	return f.list(r, s)
}

func (f *fake) Watch(r *pb.WatchRequest, s grpc.ServerStreamingServer[pb.WatchResponse]) error {
	return f.watch(r, s)
}

// serve starts f and returns its address.
func (f *fake) serve(t testing.TB) string {
	t.Helper()
	addr, _ := f.server(t)
	return addr
}

func (f *fake) server(t testing.TB) (string, *grpc.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterPermissionServiceServer(s, f)
	pb.RegisterTupleServiceServer(s, f)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return l.Addr().String(), s
}

// allow is a server's answer.
func allow(context.Context, *pb.CheckRequest) (*pb.CheckResponse, error) {
	return &pb.CheckResponse{Decision: pb.Decision_DECISION_ALLOWED, Token: "t"}, nil
}

// refuse is an error as a server makes it.
func refuse(code codes.Code, reason, fix string) error {
	st, _ := status.New(code, "it is so: "+fix).WithDetails(&errdetails.ErrorInfo{
		Reason: reason, Domain: "pemba.v1", Metadata: map[string]string{"fix": fix},
	})
	return st.Err()
}

// stall takes connections and says nothing on them.
func stall(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
