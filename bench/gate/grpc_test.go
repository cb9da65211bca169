package gate

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// BenchmarkUnary reports what a Check allocates over gRPC, client and server
// together, less what an Echo does.
func BenchmarkUnary(b *testing.B) {
	p, err := bench.Plan{Workload: bench.IAM, Tuples: 5000, Seed: 1}.Population()
	if err != nil {
		b.Fatal(err)
	}
	conn := serve(b, p)
	source := p.Questions(1, 0).Source()
	requests := make([]*pb.CheckRequest, questions)
	for i := range requests {
		q := source.Next()
		requests[i] = q.Request("")
	}
	echo, decide := pb.NewBenchServiceClient(conn).Echo, pb.NewPermissionServiceClient(conn).Check
	each := func(call func(context.Context, *pb.CheckRequest, ...grpc.CallOption) (*pb.CheckResponse, error)) func() {
		return func() {
			for _, r := range requests {
				if _, err := call(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	each(echo)()
	each(decide)()
	echoes, _ := allocated(each(echo))
	checks, _ := allocated(each(decide))
	for b.Loop() {
	}
	b.ReportMetric(checks/questions, "allocs/check")
	b.ReportMetric((checks-echoes)/questions, "allocs-over-echo/check")
	b.ReportMetric(0, "ns/op")
}

func serve(b *testing.B, p *bench.Population) *grpc.ClientConn {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	node, err := cluster.Open(b.Context(), cluster.Config{DataDir: b.TempDir(), Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { node.Close() })
	checker, err := check.New(check.Options{MaxCost: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(checker.Close)
	server := native.New(native.Config{Service: authz.New(node, checker, authz.Options{}), Log: quiet})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(listener)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	conn, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	if _, err := p.Install(b.Context(), conn, ""); err != nil {
		b.Fatal(err)
	}
	return conn
}
