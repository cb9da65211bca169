package store

import (
	"math/rand/v2"
	"testing"
)

// TestTable_FindsAllWhileItGrows uses hashes of which many share tag and place.
func TestTable_FindsAllWhileItGrows(t *testing.T) {
	const seed, n = 1, 2000
	r := rand.New(rand.NewPCG(seed, seed))
	hashes := []uint64{0}
	var x table
	for ref := uint32(1); ref <= n; ref++ {
		h := r.Uint64()
		switch ref % 4 {
		case 0:
			h = hashes[r.IntN(len(hashes))]
		case 1:
			h |= 0xfffffff0 << 32 // the end of the table, where the search wraps
		}
		hashes = append(hashes, h)
		x.insert(h, ref)
		if ref&(ref-1) != 0 && ref != n {
			continue
		}
		for i, h := range hashes[1:] {
			if !x.has(h, uint32(i+1)) {
				t.Fatalf("seed %d: reference %d of %d is not found", seed, i+1, ref)
			}
		}
	}
	if slots := len(*x.slots.Load()); n*3 < slots {
		t.Errorf("%d slots for %d entries", slots, n)
	}
}

func (t *table) has(h uint64, want uint32) bool {
	p := t.probe(h)
	for ref := p.next(); ref != 0; ref = p.next() {
		if ref == want {
			return true
		}
	}
	return false
}

func TestTable_ReplaceFindsTheRightOneOfEqualHashes(t *testing.T) {
	var x table
	for ref := uint32(1); ref <= 5; ref++ {
		x.insert(1<<63, ref)
	}
	x.replace(1<<63, 3, 9)
	for ref, want := range map[uint32]bool{1: true, 2: true, 3: false, 4: true, 5: true, 9: true} {
		if x.has(1<<63, ref) != want {
			t.Errorf("reference %d is there: %v", ref, !want)
		}
	}
}

func TestTable_EmptyFindsNothing(t *testing.T) {
	var x table
	if x.has(1, 0) || new(wideTable).has(1, 0) {
		t.Fatal("found")
	}
}

// TestWideTable_FindsAllWhileItGrows goes past the size at which it is split.
func TestWideTable_FindsAllWhileItGrows(t *testing.T) {
	const seed, n = 1, 3 * wideFrom
	r := rand.New(rand.NewPCG(seed, seed))
	hashes := []uint64{0}
	var x wideTable
	for ref := uint32(1); ref <= n; ref++ {
		h := r.Uint64()
		if ref%4 == 0 {
			h = hashes[r.IntN(len(hashes))]
		}
		hashes = append(hashes, h)
		x.insert(h, ref)
		if ref != wideFrom && ref != wideFrom+1 && ref != n {
			continue
		}
		for i, h := range hashes[1:] {
			if !x.has(h, uint32(i+1)) {
				t.Fatalf("seed %d: reference %d of %d is not found", seed, i+1, ref)
			}
		}
	}
	x.replace(hashes[5], 5, n+1)
	if x.has(hashes[5], 5) || !x.has(hashes[5], n+1) {
		t.Fatal("not replaced")
	}
}

func (t *wideTable) has(h uint64, want uint32) bool {
	p := t.probe(h)
	for ref := p.next(); ref != 0; ref = p.next() {
		if ref == want {
			return true
		}
	}
	return false
}
