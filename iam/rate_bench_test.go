package iam

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// callers runs do for so many callers at a time, and reports the calls a second
// of all.
func callers(b *testing.B, s *site, n int, do func(ctx context.Context, call *Call, i int64) error) {
	var next atomic.Int64
	b.SetParallelism(n) // times the processors
	b.RunParallel(func(pb *testing.PB) {
		call := *s.owner
		for pb.Next() {
			if err := do(b.Context(), &call, next.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// Issuing tokens and changing, one node, its disk synced for every change; the
// processors are those of clients, too.
func BenchmarkRate(b *testing.B) {
	s := newSite(b)
	jwt := s.assertion(s.KeyID, s.AccountID, rootKeys())
	var names atomic.Int64
	works := []struct {
		name string
		do   func(ctx context.Context, call *Call, i int64) error
	}{
		{"CreateToken", func(ctx context.Context, call *Call, _ int64) error {
			_, _, _, err := s.CreateToken(ctx, call, jwt)
			return err
		}},
		{"Impersonate", func(ctx context.Context, call *Call, _ int64) error {
			_, _, _, err := s.CreateTokenFor(ctx, call, s.AccountID)
			return err
		}},
		{"CreateAccount", func(ctx context.Context, call *Call, _ int64) error {
			return second(s.CreateAccount(ctx, call, s.FolderID, About{Name: fmt.Sprint("n", names.Add(1))}, 0))
		}},
		{"UpdateBindings", func(ctx context.Context, call *Call, i int64) error {
			on := s.folder()
			if i%2 == 0 {
				on = s.cloud()
			}
			return second(s.UpdateBindings(ctx, call, on, []BindingDelta{{Binding: Binding{"viewer", s.root()}, Remove: i%4 < 2}}))
		}},
	}
	for _, w := range works {
		for _, n := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", w.name, n), func(b *testing.B) {
				callers(b, s, n, w.do)
			})
		}
	}
}
