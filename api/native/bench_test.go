package native

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	benchCallers = 64
	benchDocs    = 5000
	benchUsers   = 2000
	benchGroups  = 200
)

// BenchmarkEchoUnary is what gRPC costs on this server, BenchmarkCheckUnary what
// an answer costs: the same bytes, the same callers, random questions over
// 20,000 tuples. Quote their ratio from one run.
func BenchmarkEchoUnary(b *testing.B)  { benchmarkUnary(b, (*fixture).echo) }
func BenchmarkCheckUnary(b *testing.B) { benchmarkUnary(b, (*fixture).check) }

type unary func(f *fixture, ctx context.Context, r *pembav1.CheckRequest, o ...grpc.CallOption) (*pembav1.CheckResponse, error)

func (f *fixture) echo(ctx context.Context, r *pembav1.CheckRequest, o ...grpc.CallOption) (*pembav1.CheckResponse, error) {
	return f.bench.Echo(ctx, r, o...)
}

func (f *fixture) check(ctx context.Context, r *pembav1.CheckRequest, o ...grpc.CallOption) (*pembav1.CheckResponse, error) {
	return f.permissions.Check(ctx, r, o...)
}

func benchmarkUnary(b *testing.B, call unary) {
	f := openWith(b)
	populate(b, f)
	b.ReportAllocs()
	b.SetParallelism((benchCallers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	var seed atomic.Uint64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		random := rand.New(rand.NewPCG(1, seed.Add(1)))
		for pb.Next() {
			if _, err := call(f, context.Background(), randomQuestion(random)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func randomQuestion(random *rand.Rand) *pembav1.CheckRequest {
	return &pembav1.CheckRequest{
		Object:     &pembav1.Object{Type: "doc", Id: fmt.Sprint("d", random.IntN(benchDocs))},
		Permission: "view",
		Subject:    &pembav1.Subject{Type: "user", Id: fmt.Sprint("u", random.IntN(benchUsers))},
	}
}

// populate writes groups of groups of users, and documents that they see.
func populate(b testing.TB, f *fixture) {
	random := rand.New(rand.NewPCG(1, 2))
	var batch []string
	flush := func() {
		f.touch(b, batch...)
		batch = batch[:0]
	}
	add := func(format string, args ...any) {
		if batch = append(batch, fmt.Sprintf(format, args...)); len(batch) == 1000 {
			flush()
		}
	}
	for u := range benchUsers {
		add("group:g%d#member@user:u%d", u%benchGroups, u)
	}
	for g := range benchGroups {
		add("group:top%d#member@group:g%d#member", g%20, g)
	}
	for d := range benchDocs {
		add("doc:d%d#owner@user:u%d", d, random.IntN(benchUsers))
		add("doc:d%d#viewer@group:g%d#member", d, random.IntN(benchGroups))
		add("doc:d%d#viewer@group:top%d#member", d, random.IntN(20))
	}
	flush()
}
