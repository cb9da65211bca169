package graph

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/store"
)

// aboveOf makes up an entry whose groups follow from what it is about and its
// revision, so that one that is put together from two is known.
func aboveOf(family int32, of group, rev uint64) above {
	a := above{family: family, of: of, rev: rev}
	h := hashEntry(family^of.program<<8^int32(rev)<<20, of.node)
	a.reads, a.tooFar = int(h%100_000), h>>20%16 == 0
	for i := range h >> 24 % (inlineAbove + 4) {
		program := family
		if h>>28%8 == 0 {
			program = of.program
		}
		a.groups = append(a.groups, group{program, store.Node(h + i)})
	}
	return a
}

func (a *above) equals(b *above) bool {
	return a.family == b.family && a.of == b.of && a.rev == b.rev && a.reads == b.reads && a.tooFar == b.tooFar && slices.Equal(a.groups, b.groups)
}

func TestAboveTable_ReturnsWhatWasPut(t *testing.T) {
	table := newAboveTable(1, 1<<12, 1)
	var all []above
	for i := range 1 << 11 { // half of the slots, as it is before a table grows
		a := aboveOf(int32(i%3), group{int32(i % 5), store.Node(i * 7)}, uint64(i%4))
		if all = append(all, a); !table.put(&a) {
			t.Logf("%+v took the place of another", a)
		}
	}
	lost := 0
	for i := range all {
		a := &all[i]
		got, ok := table.find(a.family, a.of, new([inlineAbove]group))
		if !ok {
			lost++
		} else if !got.equals(a) {
			t.Errorf("found %+v, put %+v", got, *a)
		}
		if _, ok := table.find(a.family+3, a.of, new([inlineAbove]group)); ok {
			t.Errorf("found %+v for another family", *a)
		}
	}
	if lost > len(all)/20 {
		t.Errorf("%d of %d entries are lost in a table that is half full", lost, len(all))
	}
	later := aboveOf(all[9].family, all[9].of, 77)
	if table.put(&later) {
		t.Error("a later entry of a group stands beside the one before")
	}
	if got, _ := table.find(later.family, later.of, new([inlineAbove]group)); !got.equals(&later) {
		t.Errorf("found %+v, put %+v", got, later)
	}
}

// Entries that are written over each other while others read are whole or not there.
func TestAboveTable_EntriesAreWholeBesideWriters(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	table := newAboveTable(1, 8, 1)
	const rounds = 60_000
	pick := func(rng *rand.Rand) (int32, group) {
		return int32(rng.IntN(2)), group{int32(rng.IntN(2)), store.Node(rng.IntN(6))}
	}
	var all sync.WaitGroup
	var found [2]int
	for i := range 2 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for range rounds {
				family, of := pick(rng)
				a := aboveOf(family, of, uint64(rng.IntN(50)))
				table.put(&a)
			}
		})
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i+2)))
			for range rounds {
				family, of := pick(rng)
				got, ok := table.find(family, of, new([inlineAbove]group))
				if !ok {
					continue
				}
				found[i]++
				if want := aboveOf(family, of, got.rev); !got.equals(&want) {
					t.Errorf("found %+v, which nobody put; of that revision was %+v", got, want)
					return
				}
			}
		})
	}
	all.Wait()
	if found[0]+found[1] < rounds/10 {
		t.Errorf("only %d of %d were found", found[0]+found[1], 2*rounds)
	}
}
