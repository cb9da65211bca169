package prefetch

import (
	"testing"
	"unsafe"
)

// Reading ahead changes nothing, wherever it begins and ends; its end may be that of
// the memory.
func TestLines_LeaveMemoryAlone(t *testing.T) {
	words := make([]byte, 4096)
	for i := range words {
		words[i] = byte(i)
	}
	for from := range 130 {
		for n := 1; n < 300; n += 7 {
			Lines(unsafe.Pointer(&words[from]), n)
		}
		Line(unsafe.Pointer(&words[len(words)-1-from]))
		Lines(unsafe.Pointer(&words[len(words)-1-from]), from+1)
	}
	for i := range words {
		if words[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, words[i])
		}
	}
}

func BenchmarkLines(b *testing.B) {
	words := make([]byte, 4096)
	for b.Loop() {
		Lines(unsafe.Pointer(&words[100]), 200)
	}
}
