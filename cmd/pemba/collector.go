package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage may pile up beside the live heap before it is collected.
// Go's default, as much as is live, collects a small heap dozens of times a
// second under load, and each time takes processors from requests.
const (
	garbageRoom    = 512 << 20 // bytes, while the heap is small
	leastPercent   = 100       // of the live heap, when it is large: Go's default
	greatestRatio  = 1600      // percent, when it is tiny
	liveHeapMetric = "/gc/heap/live:bytes"
)

// tuneCollector gives garbage a fixed room while the heap is small, unless the
// user has set GOGC. It adjusts itself after each collection.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := greatestRatio
	debug.SetGCPercent(percent)
	afterCollection(func() {
		sample := []metrics.Sample{{Name: liveHeapMetric}}
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindUint64 {
			return
		}
		// Setting it stops the world for a moment, so small changes are not worth it.
		next := collectorPercent(sample[0].Value.Uint64())
		if next < percent*9/10 || next > percent*11/10 {
			percent = next
			debug.SetGCPercent(percent)
		}
	})
}

// collectorPercent is the GOGC value for a live heap of so many bytes.
func collectorPercent(live uint64) int {
	ratio := uint64(garbageRoom) * 100 / max(live, 1)
	return int(min(max(ratio, leastPercent), greatestRatio))
}

// afterCollection calls f on the finalizer goroutine after each collection: an
// object that nobody holds is found dead by the next one, and replaced.
func afterCollection(f func()) {
	type sentinel struct{ _ [16]byte }
	runtime.AddCleanup(new(sentinel), func(f func()) {
		f()
		afterCollection(f)
	}, f)
}
