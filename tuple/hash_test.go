package tuple

import (
	"fmt"
	"strings"
	"testing"
)

// TestHash_TellsNamesApart: names of all lengths that differ in one place, or in what they
// are a name of, have different hashes, in their upper and in their lower half.
func TestHash_TellsNamesApart(t *testing.T) {
	upper, lower, n := map[uint32]bool{}, map[uint32]bool{}, 0
	add := func(of uint32, name string) {
		h := Hash(of, name)
		if h != Hash(of, strings.Clone(name)) {
			t.Fatalf("%q has two hashes", name)
		}
		upper[uint32(h>>32)], lower[uint32(h)], n = true, true, n+1
	}
	for length := range 40 {
		add(0, strings.Repeat("a", length))
		add(1, strings.Repeat("a", length))
		for at := range length {
			for _, c := range "bcd" {
				name := []byte(strings.Repeat("a", length))
				name[at] = byte(c)
				add(0, string(name))
			}
		}
	}
	for i := range 100_000 {
		add(7, fmt.Sprintf("user-%08d", i))
	}
	// Of n random numbers of 32 bits, n*n/2^33 are the same: one or two here.
	if len(upper) < n-12 || len(lower) < n-12 {
		t.Errorf("of %d names, %d and %d halves of hashes", n, len(upper), len(lower))
	}
}

func BenchmarkHash(b *testing.B) {
	name := "fd87sk2j1hf0s9d8f7a6s5d4-instance"
	for b.Loop() {
		Hash(3, name)
	}
}
