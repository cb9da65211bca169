package oracle

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/internal/random"
)

// TestOracle_OrderOfBranchesChangesNothing asks in the fixed order and in any others, also
// within limits that the fixed order just keeps or just exceeds. Allowed and denied are
// the oracle's; everything else, to the missing names and the words of errors, is the
// fixed order's.
func TestOracle_OrderOfBranchesChangesNothing(t *testing.T) {
	asked, failed, others := 0, 0, 0
	worlds(t, 300, func(seed uint64) {
		kinds := random.Everything
		kinds.Knots = seed%3 == 0
		w := newWorld(t, seed, kinds)
		for range 6 {
			w.write(10 + w.rand.IntN(40))
			rev := uint64(2 + w.rand.IntN(len(w.entries)-1))
			v, err := w.store.View(tenant, rev)
			if err != nil {
				t.Fatal(err)
			}
			base := random.Asker(w.rand, w.schema)
			table := w.solve(rev, &base)
			for _, q := range questions(w.rand, table, base, 6) {
				w.graph.SetOrder(graph.Fixed)
				if w.rand.IntN(2) == 0 {
					q.Limits.Depth = 1 + w.rand.IntN(5)
				}
				want, wantErr := w.graph.Check(context.Background(), v, &q)
				if w.rand.IntN(2) == 0 && want.Reads > 0 {
					q.Limits.Reads = max(1, want.Reads-w.rand.IntN(3)+1)
					want, wantErr = w.graph.Check(context.Background(), v, &q)
				}
				w.graph.SetOrder(graph.Shuffled)
				for range 4 {
					got, err := w.graph.Check(context.Background(), v, &q)
					definite := err == nil && got.Decision != graph.Conditional
					asked++
					if wantErr != nil {
						failed++
					}
					switch {
					case definite && wantErr != nil: // the fixed order met a limit
						others++
						if decisions[got.Decision] != table[Atom{q.Object, q.Permission}].Value() {
							t.Fatalf("seed %d, revision %d: %+v: %v", seed, rev, q, got.Decision)
						}
					case got.Decision != want.Decision || fmt.Sprint(err) != fmt.Sprint(wantErr) || !slices.Equal(got.Missing, want.Missing):
						t.Fatalf("seed %d, revision %d: %+v: %v %v %v, in another order %v %v %v", seed, rev, q,
							want.Decision, want.Missing, wantErr, got.Decision, got.Missing, err)
					}
				}
			}
		}
	})
	t.Logf("%d questions, %d of them errors, of which %d are answered in another order", asked, failed, others)
	if asked < 1000 || failed < 100 || others == 0 {
		t.Error("too few")
	}
}

var decisions = map[graph.Decision]Value{graph.Denied: Denied, graph.Allowed: Allowed}
