package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Tuples, nodes and indexes hold no pointers: the collector frees them but does
// not look into them. So what a collection costs has little to do with how much
// is live, and garbage need not be allowed as much room as all that, which is
// Go's default. How much room it gets depends on how often it fills up: under
// load, many collections a second would take processors from requests.
const (
	leastRoom = 32 << 20  // bytes of garbage before it is collected
	liveShare = 16        // or what lives, divided by this: a collection has to mark and sweep that, if not to look into it
	mostRoom  = 512 << 20 // the same, when it comes fast
	tooOften  = 100 * time.Millisecond
	rarely    = 250 * time.Millisecond
	leastLive = 4 << 20 // below it, Go does not collect

	idleTicks = 3       // without load before memory is given back
	idleBytes = 1 << 20 // allocated between two ticks: less is no load
	spare     = 8 << 20 // bytes that are not worth giving back
)

// collector sets how much garbage may pile up. Its methods are called from one
// goroutine at a time.
type collector struct {
	room    uint64
	percent int
	last    time.Time // the end of the last collection
}

// tuneCollector takes over from Go's default for the rest of the process,
// unless the user has set GOGC.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	c := &collector{last: time.Now()}
	c.adjust(time.Now(), readMemory())
	afterCollection(func() { c.adjust(time.Now(), readMemory()) })
	go releaseWhenIdle(time.NewTicker(time.Second).C)
}

// adjust is called after each collection.
func (c *collector) adjust(now time.Time, m memory) {
	c.room = nextRoom(c.room, now.Sub(c.last), m)
	c.last = now
	// Setting it stops the world for a moment, so small changes are not worth it.
	if p := collectorPercent(c.room, m.live); p < c.percent*9/10 || p > c.percent*11/10 {
		c.percent = p
		debug.SetGCPercent(p)
	}
}

// nextRoom returns the room for garbage after a collection that came so long
// after the one before it. It is never less than the part of the heap that a
// collection looks into, which is then read once a heap full at most.
func nextRoom(room uint64, since time.Duration, m memory) uint64 {
	switch {
	case since < tooOften:
		room *= 2
	case since > rarely:
		room /= 2
	}
	return max(min(max(room, leastRoom, m.live/liveShare), mostRoom), m.scanned)
}

// collectorPercent is the least GOGC value that gives garbage that much room.
func collectorPercent(room, live uint64) int {
	live = max(live, leastLive)
	return int((room*100 + live - 1) / live)
}

// memory is what the runtime says about the heap, in bytes.
type memory struct {
	live      uint64 // by the last collection
	scanned   uint64 // the part of it that has pointers
	allocated uint64 // since the process began
	resident  uint64 // taken from the system and not given back
}

func readMemory() (m memory) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return samples[i].Value.Uint64()
	}
	return memory{live: value(0), scanned: value(1), allocated: value(2), resident: value(3) + value(4) + value(5)}
}

// releaseWhenIdle gives garbage and free memory back to the system when there
// has been no load for a few ticks, a second apart: by itself, no collection
// would come for two minutes.
func releaseWhenIdle(ticks <-chan time.Time) {
	var idle idleness
	for range ticks {
		if idle.mayRelease(readMemory()) {
			debug.FreeOSMemory()
		}
	}
}

// idleness decides when memory is given back: once after each time of load.
type idleness struct {
	allocated uint64 // at the last tick
	ticks     int    // without load
}

func (i *idleness) mayRelease(m memory) bool {
	grown := m.allocated - i.allocated
	i.allocated = m.allocated
	if i.ticks++; grown > idleBytes {
		i.ticks = 0
	}
	return i.ticks == idleTicks && m.resident > m.live+m.live/16+spare
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
