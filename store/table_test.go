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
	if x.has(1, 0) || new(rowTable).find(1) != nil {
		t.Fatal("found")
	}
}

func TestRowTable_SlotsStayUntilTheReservedRowsAreThere(t *testing.T) {
	var x rowTable
	for n := Node(1); n < 5000; n += 2 {
		x.reserve(2)
		a, isNew := x.intern(rowKey(n, 7, forward))
		b, alsoNew := x.intern(rowKey(n+1, 7, reverse))
		if !isNew || !alsoNew || x.find(rowKey(n, 7, forward)) != a || x.find(rowKey(n+1, 7, reverse)) != b {
			t.Fatalf("the rows of nodes %d and %d are not where they were made", n, n+1)
		}
		a.head.Store(uint32(n))
		b.size = uint32(n) + 1
	}
	rows := 0
	for s := range x.all() {
		rows++
		n, shape, dir := s.row()
		if shape != 7 || dir == forward && s.head.Load() != uint32(n) || dir == reverse && s.size != uint32(n) {
			t.Fatalf("the row of node %d has lost its content", n)
		}
		if again, isNew := x.intern(s.key.Load()); isNew || again != s {
			t.Fatalf("the row of node %d is made twice", n)
		}
	}
	if rows != 5000 {
		t.Fatalf("%d rows", rows)
	}
}
