package store

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// TestMemory_ATupleTakesFewBytes is the budget of the layout: all that the
// store holds for a tuple, names, indexes and change list included.
func TestMemory_ATupleTakesFewBytes(t *testing.T) {
	const n, most = 200_000, 160
	before := heap()
	s := filled(t, n)
	if each := (heap() - before) / n; each > most {
		t.Errorf("a tuple takes %d bytes, %d are enough", each, most)
	}
	runtime.KeepAlive(s)
}

// TestMemory_TheCollectorHasLittleToLookInto: what there is one of for every
// tuple has no pointers.
func TestMemory_TheCollectorHasLittleToLookInto(t *testing.T) {
	const n, most = 200_000, 8
	before := scannable()
	s := filled(t, n)
	if each := (scannable() - before) / n; each > most {
		t.Errorf("the collector looks into %d bytes a tuple", each)
	}
	runtime.KeepAlive(s)
}

func scannable() int64 {
	runtime.GC()
	m := []metrics.Sample{{Name: "/gc/scan/heap:bytes"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64())
}
