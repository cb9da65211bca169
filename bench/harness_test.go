package bench

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/client"
	"github.com/pemba-authz/pemba/cluster"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// service runs a node in this process. A negative cache size = no cache.
func service(t testing.TB, cache int64) *authz.Service {
	t.Helper()
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	checker, err := check.New(check.Options{MaxCost: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.Close)
	return authz.New(node, checker, authz.Options{})
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// serve runs a server in this process, writes p to it and returns connections to
// it over loopback.
func serve(t testing.TB, p *Population, cache int64, connections int) []*grpc.ClientConn {
	t.Helper()
	server := native.New(native.Config{Service: service(t, cache), Log: quiet})
	listener := listen(t)
	go server.Serve(listener)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	conns := make([]*grpc.ClientConn, connections)
	for i := range conns {
		conns[i] = connect(t, listener)
	}
	if _, err := p.Install(t.Context(), conns[0], ""); err != nil {
		t.Fatal(err)
	}
	return conns
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func connect(t testing.TB, listener net.Listener) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// merging returns a client that merges checks for the server of each connection.
func merging(t testing.TB, conns []*grpc.ClientConn) []*client.Client {
	t.Helper()
	clients := make([]*client.Client, len(conns))
	for i, conn := range conns {
		c, err := client.Dial(client.Config{Addrs: []string{strings.TrimPrefix(conn.Target(), "passthrough:///")}, Merge: client.MergeAlways})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		clients[i] = c
	}
	return clients
}

// odd is a server that misbehaves as a test says.
type odd struct {
	pb.UnimplementedBenchServiceServer
	pb.UnimplementedPermissionServiceServer
	check       func(*pb.CheckRequest) (*pb.CheckResponse, error)
	streamCheck func(grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error
	listObjects func(grpc.ServerStreamingServer[pb.ListObjectsResponse]) error
}

func (s *odd) Echo(_ context.Context, r *pb.CheckRequest) (*pb.CheckResponse, error) {
	return s.check(r)
}

func (s *odd) Check(_ context.Context, r *pb.CheckRequest) (*pb.CheckResponse, error) {
	return s.check(r)
}

func (s *odd) StreamCheck(stream grpc.BidiStreamingServer[pb.StreamCheckRequest, pb.StreamCheckResponse]) error {
	return s.streamCheck(stream)
}

func (s *odd) ListObjects(_ *pb.ListObjectsRequest, stream grpc.ServerStreamingServer[pb.ListObjectsResponse]) error {
	return s.listObjects(stream)
}

// load is a load on s that ends after some requests.
func (s *odd) load(t testing.TB, op Op, requests int64) Load {
	t.Helper()
	server := grpc.NewServer()
	pb.RegisterBenchServiceServer(server, s)
	pb.RegisterPermissionServiceServer(server, s)
	listener := listen(t)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return Load{
		Conns: []*grpc.ClientConn{connect(t, listener)}, Op: op, Callers: 1, Requests: requests,
		Questions: population(t, MinTuples, 1).Questions(1, 0),
	}
}
