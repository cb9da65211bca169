package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// serve runs a node in this process, loads p into it and returns connections to
// it over loopback.
func serve(t testing.TB, p *Population, cache int64, connections int) []*grpc.ClientConn {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), Logger: quiet})
	must(err)
	checker, err := check.New(check.Options{MaxCost: cache})
	must(err)
	server := native.New(native.Config{Service: authz.New(node, checker, authz.Options{}), Log: quiet})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go server.Serve(listener)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(ctx)
		checker.Close()
		node.Close()
	})
	conns := make([]*grpc.ClientConn, connections)
	for i := range conns {
		conns[i], err = grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(err)
		t.Cleanup(func() { conns[i].Close() })
	}
	must(write(t.Context(), conns[0], p))
	return conns
}

// write puts the schema and the tuples of p onto a server.
func write(ctx context.Context, conn *grpc.ClientConn, p *Population) error {
	schema, err := Schema()
	if err != nil {
		return err
	}
	if _, err := pb.NewSchemaServiceClient(conn).WriteSchema(ctx, &pb.WriteSchemaRequest{Schema: schema}); err != nil {
		return err
	}
	request := &pb.WriteRequest{}
	flush := func() error {
		if len(request.Updates) == 0 {
			return nil
		}
		_, err := pb.NewTupleServiceClient(conn).Write(ctx, request)
		request.Updates = nil
		return err
	}
	for t := range p.Tuples() {
		request.Updates = append(request.Updates, &pb.Update{Operation: pb.Update_OPERATION_TOUCH, Tuple: message(t)})
		if len(request.Updates) == 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func message(t tuple.Tuple) *pb.Tuple {
	return &pb.Tuple{
		Object:   &pb.Object{Type: t.Object.Type, Id: t.Object.ID},
		Relation: t.Relation,
		Subject:  &pb.Subject{Type: t.Subject.Type, Id: t.Subject.ID, Relation: t.Subject.Relation},
	}
}

func TestCompare_MeasuresBothInTheSameRounds(t *testing.T) {
	p := population(t, MinTuples, 1)
	load := Load{Conns: serve(t, p, 0, 2), Callers: 3, Requests: 300, Questions: p.Questions(1)}
	c, err := Compare(t.Context(), load, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Rounds) != 2 || c.ThroughputRatio <= 0 || c.P99Ratio <= 0 {
		t.Errorf("%+v", c)
	}
	for _, r := range c.Rounds {
		if r.Echo.Requests != 300 || r.Check.Requests != 300 {
			t.Errorf("%d echoes and %d checks, not 300 each", r.Echo.Requests, r.Check.Requests)
		}
		if r.Check.AllowedShare == 0 || r.Echo.AllowedShare != 0 {
			t.Errorf("share allowed by check %v, by echo %v", r.Check.AllowedShare, r.Echo.AllowedShare)
		}
	}
}

func TestLoad_EndsWithTheErrorOfACall(t *testing.T) {
	p := population(t, MinTuples, 1)
	load := Load{Conns: serve(t, p, 0, 1), Mode: Check, Callers: 4, Requests: 100, Questions: p.Questions(1), Tenant: "nobody"}
	if _, err := load.Run(t.Context()); err == nil {
		t.Error("checks in a tenant that does not exist succeed")
	}
}

func TestEcho_CarriesTheBytesOfACheck(t *testing.T) {
	p := population(t, MinTuples, 1)
	conn := serve(t, p, 0, 1)[0]
	q := p.Questions(1).Next()
	answer, err := pb.NewPermissionServiceClient(conn).Check(t.Context(), q.Request(""))
	if err != nil {
		t.Fatal(err)
	}
	echo, err := pb.NewBenchServiceClient(conn).Echo(t.Context(), q.Request(""))
	if err != nil {
		t.Fatal(err)
	}
	if a, e := proto.Size(answer), proto.Size(echo); a < e-8 || a > e+8 {
		t.Errorf("a check's answer has %d bytes, an echo's %d", a, e)
	}
}

// BenchmarkUnary measures one call over loopback, client and server in this
// process: echo and check, the check without a cache and with one.
func BenchmarkUnary(b *testing.B) {
	p := population(b, 100_000, 1)
	for _, cache := range []struct {
		name string
		size int64
	}{{"off", -1}, {"on", 0}} {
		load := Load{Conns: serve(b, p, cache.size, 4), Questions: p.Questions(1)}
		for _, load.Callers = range []int{1, 16, 64, 256} {
			for _, load.Mode = range []Mode{Echo, Check} {
				b.Run(fmt.Sprintf("cache=%s/callers=%d/%s", cache.name, load.Callers, load.Mode), func(b *testing.B) {
					runtime.GC()
					load.Requests = int64(b.N)
					r, err := load.Run(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(r.PerSecond, "calls/s")
					b.ReportMetric(float64(r.P99), "p99-µs")
				})
			}
		}
	}
}
