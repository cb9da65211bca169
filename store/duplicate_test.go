package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/tuple"
)

// TestFirstDuplicate_IsThatOfAMap compares with a map of keys: few and many
// updates, with and without a repeated key.
func TestFirstDuplicate_IsThatOfAMap(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	some := func(kind string, n int) string { return fmt.Sprint(kind, r.IntN(n)) }
	found := 0
	for range 2000 {
		n, spread := r.IntN(40), 1+r.IntN(60)
		updates := make([]Update, n)
		for i := range updates {
			updates[i].Op = OpTouch
			updates[i].Tuple = tuple.Tuple{
				Object: tuple.Object{Type: some("t", 2), ID: some("o", spread)}, Relation: some("r", 2),
				Subject: tuple.Subject{Type: "user", ID: some("s", 3), Relation: some("", 2)}, Caveat: some("c", 2),
			}
		}
		wantAt, wantEarlier, want := 0, 0, false
		seen := map[tuple.Key]int{}
		for i, u := range updates {
			if j, dup := seen[u.Tuple.Key()]; dup {
				wantAt, wantEarlier, want = i, j, true
				found++
				break
			}
			seen[u.Tuple.Key()] = i
		}
		if at, earlier, ok := FirstDuplicate(updates); at != wantAt || earlier != wantEarlier || ok != want {
			t.Fatalf("%d, %d, %v, want %d, %d, %v: %v", at, earlier, ok, wantAt, wantEarlier, want, updates)
		}
	}
	if found < 200 || found > 1800 {
		t.Errorf("%d of 2000 had one", found)
	}
}

func TestFirstDuplicate_FindsTheLastOfMany(t *testing.T) {
	updates := make([]Update, MaxUpdates)
	for i := range updates {
		updates[i].Tuple = tuple.Tuple{Object: tuple.Object{Type: "doc", ID: fmt.Sprint(i)}, Relation: "viewer", Subject: tuple.Subject{Type: "user", ID: "a"}}
	}
	if _, _, ok := FirstDuplicate(updates); ok {
		t.Error("found where there is none")
	}
	updates[MaxUpdates-1].Tuple.Object.ID = "7777"
	if at, earlier, ok := FirstDuplicate(updates); !ok || at != MaxUpdates-1 || earlier != 7777 {
		t.Error(at, earlier, ok)
	}
}
