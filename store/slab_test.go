package store

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestSlab_ElementsStayWhereTheyAre(t *testing.T) {
	const n = 5000
	var s slab[uint32]
	first := map[uint32]*uint32{}
	for want := uint32(1); want <= n; want++ {
		ref, e := s.next()
		if ref != want || *e != 0 || s.len() != want-1 {
			t.Fatalf("element %d: reference %d, %d in use, already %d", want, ref, s.len(), *e)
		}
		*e, first[ref] = ref, e
		s.publish()
	}
	for ref, e := range first {
		if s.at(ref) != e || *e != ref {
			t.Fatalf("element %d has moved or is %d", ref, *e)
		}
	}
}

// TestSlab_LeavesLittleUnused counts what the chunks of a slab of each size hold.
func TestSlab_LeavesLittleUnused(t *testing.T) {
	var s slab[byte]
	room := func() (n int) {
		for _, c := range s.inner {
			n += len(c)
		}
		if outer := s.outer.Load(); outer != nil {
			for _, c := range outer {
				n += len(c)
			}
		}
		return n
	}
	for s.len() < 20_000 {
		s.next()
		s.publish()
		if used := int(s.len()); room() > used+used/3+firstChunk {
			t.Fatalf("room for %d, %d in use", room(), used)
		}
	}
}

func TestSlab_TheLastReferenceHasAChunk(t *testing.T) {
	var s slab[byte]
	s.outer.Store(new([outerChunks][]byte))
	defer func() { // the chunk is missing, not its place in the directory
		if err := recover(); err == nil || !strings.Contains(err.(error).Error(), "with length 0") {
			t.Fatal(err)
		}
	}()
	s.at(1<<31 - 1)
}

func TestArena_ReturnsWhatWasAdded(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, seed))
	var a arena
	type entry struct {
		head uint32
		s    string
	}
	kept := map[text]entry{}
	for i := range 2000 {
		n := r.IntN(40)
		switch i % 500 {
		case 100:
			n = 1024
		case 200:
			n = maxText
		}
		e := entry{r.Uint32() >> r.IntN(32), strings.Repeat(string(rune('a'+i%26)), n)}
		at := a.add(e.head, e.s)
		if _, taken := kept[at]; taken || at == 0 {
			t.Fatalf("seed %d: %d is taken", seed, at)
		}
		kept[at] = e
	}
	for at, want := range kept {
		if head, s := a.get(at); head != want.head || s != want.s {
			t.Fatalf("seed %d: %d and %d bytes, not the %d added", seed, head, len(s), len(want.s))
		}
	}
}

func TestArena_TakesALongTextFirst(t *testing.T) {
	var a arena
	long, short := strings.Repeat("x", maxText), "y"
	l, s := a.add(1, long), a.add(2, short)
	if _, x := a.get(l); x != long {
		t.Fatal("not what was added")
	}
	if _, x := a.get(s); x != short {
		t.Fatal("not what was added")
	}
}
