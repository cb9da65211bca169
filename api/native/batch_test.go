package native

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/mem"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/proto/codec"
)

// handled returns what a method does between the bytes of a request and those of
// its answer, gRPC left out.
func (f *fixture) handled(t testing.TB, method string, request codec.Plain) func() {
	t.Helper()
	checker, err := check.New(check.Options{MaxCost: -1})
	if err != nil {
		t.Fatal(err)
	}
	g := guard{log: discard}
	server := newPermissionServer(base{service: authz.New(f.node, checker, authz.Options{})}, g)
	data, err := codec.Codec{}.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	data = mem.BufferSlice{mem.SliceBuffer(data.Materialize())}
	receive := func(v any) error { return countingCodec{}.Unmarshal(data, v) }
	for _, m := range g.wrap(permissionService()).Methods {
		if m.MethodName != method {
			continue
		}
		ctx := deadline(t)
		return func() {
			reply, err := m.Handler(server, ctx, receive, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := countingCodec{}.Marshal(reply)
			if err != nil {
				t.Fatal(err)
			}
			answer.Free()
		}
	}
	t.Fatal("no method", method)
	return nil
}

func plainBatch(n int) *codec.Batch {
	b := &codec.Batch{}
	for i := range n {
		b.Items = append(b.Items, codec.Question{
			HasObject: true, HasSubject: true, ObjectType: "doc", ObjectID: fmt.Sprint("d", i%100), Permission: "view",
			SubjectType: "user", SubjectID: fmt.Sprint("u", i%100),
		})
	}
	return b
}

func TestBatchCheck_AllocatesNothingForAQuestion(t *testing.T) {
	if racing {
		t.Skip("pools lose items under the race detector")
	}
	f := openWith(t)
	populate(t, f)
	few := testing.AllocsPerRun(100, f.handled(t, "BatchCheck", plainBatch(8)))
	many := testing.AllocsPerRun(100, f.handled(t, "BatchCheck", plainBatch(128)))
	if many > few+8 {
		t.Errorf("%v allocations for 8 questions, %v for 128", few, many)
	}
}

// BenchmarkHandled is what a request costs, and a question of it, between bytes
// and bytes.
func BenchmarkHandled(b *testing.B) {
	f := openWith(b)
	populate(b, f)
	one := &codec.Check{Question: plainBatch(1).Items[0]}
	for _, c := range []struct {
		name, method string
		request      codec.Plain
		questions    int
	}{
		{"check", "Check", one, 1}, {"batch/1", "BatchCheck", plainBatch(1), 1}, {"batch/32", "BatchCheck", plainBatch(32), 32}, {"batch/128", "BatchCheck", plainBatch(128), 128},
	} {
		b.Run(c.name, func(b *testing.B) {
			ask := f.handled(b, c.method, c.request)
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.questions), "ns/question")
		})
	}
}
