package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/tuple"
)

// history is one random log as four stores know it, and as the model does.
type history struct {
	seed   uint64
	r      *rand.Rand
	stores map[string]*Store // "plain", "collecting", "copying", "restored"
	models map[string]*model // by tenant
	last   uint64
}

// play feeds a random log to four stores: one that only applies it, one that
// collects whenever it can, one that does so little by little, and one that is
// restarted from a snapshot at random entries.
func play(t *testing.T, seed uint64, entries int) *history {
	t.Helper()
	src := &source{r: rand.New(rand.NewPCG(seed, 3)), now: int64(time.Hour)}
	h := &history{seed: seed, r: src.r, last: 1, models: map[string]*model{"default": newModel(), "other": newModel()}}
	h.stores = map[string]*Store{
		"plain":      New(Options{CollectMin: 1 << 30}),
		"collecting": New(Options{CollectMin: 1, CollectPercent: 1}),
		"copying":    New(Options{CollectMin: 1, CollectPercent: 1, copyStep: 2}),
		"restored":   New(Options{CollectMin: 1 << 30}),
	}
	h.apply(t, Command{Kind: KindInit, ClusterID: "c", ClusterSecret: secret, Tenant: "default"},
		Command{Kind: KindCreateTenant, Tenant: "other"})
	for range entries {
		h.last += 1 + uint64(src.r.IntN(2))
		cmds := entry(src, h.last)
		for i, out := range h.apply(t, cmds...) {
			if c := cmds[i]; c.Kind == KindWrite && out.Code == OK && !out.Replayed {
				h.models[c.Tenant].apply(h.last, c)
			}
		}
		for _, m := range h.models {
			m.at[h.last] = maps.Clone(m.now)
		}
		if src.r.IntN(15) == 0 {
			h.stores["restored"] = restored(t, h.stores["restored"])
		}
	}
	return h
}

func (h *history) apply(t *testing.T, cmds ...Command) (out []Outcome) {
	t.Helper()
	for _, s := range h.stores {
		out = apply(t, s, h.last, cmds...)
	}
	return out
}

// horizon returns the oldest readable revision, the same in all stores.
func (h *history) horizon() uint64 { return h.stores["plain"].Horizon() }

// eachSeed runs a test on several histories; -run .../seed=N repeats one.
func eachSeed(t *testing.T, entries int, test func(t *testing.T, h *history)) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { test(t, play(t, seed, entries)) })
	}
}

// someFilters has one of each kind of scan and some in between.
var someFilters = []tuple.Filter{
	{},
	{Type: "doc"},
	{Type: "folder", Relation: "viewer"},
	{Type: "doc", SubjectType: "user", SubjectRelation: tuple.Plain},
	{Type: "doc", SubjectType: "group", SubjectRelation: "member"},
	{Type: "doc", ID: "1"},
	{Type: "folder", ID: "2", Relation: "viewer"},
	{Type: "folder", ID: "2", SubjectType: "user", SubjectID: "3"},
	{Type: "doc", SubjectType: "user", SubjectID: "3"},
	{Type: "doc", SubjectType: "user", SubjectID: tuple.Wildcard},
	{Type: "nothing"},
}
