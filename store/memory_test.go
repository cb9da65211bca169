package store

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// TestMemory_ATupleTakesLittle is the budget of the layout: all that the store
// holds for a tuple, names, indexes and change list included, and the part of
// it that has pointers, into which each collection of garbage looks.
func TestMemory_ATupleTakesLittle(t *testing.T) {
	const n, most, mostPointers = 50_000, 110, 4
	total, scanned := heap(), scannable()
	s := filled(t, n)
	if each := (heap() - total) / n; each > most {
		t.Errorf("a tuple takes %d bytes, %d are enough", each, most)
	}
	if each := (scannable() - scanned) / n; each > mostPointers {
		t.Errorf("the collector looks into %d bytes a tuple, %d are enough", each, mostPointers)
	}
	runtime.KeepAlive(s)
}

func scannable() int64 {
	runtime.GC()
	m := []metrics.Sample{{Name: "/gc/scan/heap:bytes"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64())
}
