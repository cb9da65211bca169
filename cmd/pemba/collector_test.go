package main

import (
	"testing"
	"time"
)

func TestNextRoom_GrowsWithTheRateOfCollections(t *testing.T) {
	room := uint64(0)
	for _, step := range []struct {
		since  time.Duration
		memory memory
		want   uint64
	}{
		{time.Minute, memory{}, leastRoom},
		{time.Millisecond, memory{}, 2 * leastRoom},
		{time.Millisecond, memory{}, 4 * leastRoom},
		{(tooOften + rarely) / 2, memory{}, 4 * leastRoom},
		{time.Millisecond, memory{}, 8 * leastRoom},
		{time.Millisecond, memory{}, 16 * leastRoom},
		{time.Millisecond, memory{}, mostRoom},
		{time.Second, memory{scanned: 2 * mostRoom}, 2 * mostRoom}, // a large heap that must be looked into
		{time.Minute, memory{}, mostRoom},
		{time.Minute, memory{}, mostRoom / 2},
		{time.Minute, memory{live: liveShare * 200 << 20}, 200 << 20}, // a large one that need not
		{time.Minute, memory{live: 1 << 40}, mostRoom},
	} {
		if room = nextRoom(room, step.since, step.memory); room != step.want {
			t.Fatalf("a collection after %v with %+v: room %d, not %d", step.since, step.memory, room, step.want)
		}
	}
}

func TestCollectorPercent_IsTheRoomOverWhatLives(t *testing.T) {
	for live, want := range map[uint64]int{0: 1600, 1 << 20: 1600, 64 << 20: 100, 512 << 20: 13, 1 << 40: 1} {
		if got := collectorPercent(64<<20, live); got != want {
			t.Errorf("%d live bytes: %d %%, not %d %%", live, got, want)
		}
	}
}

func TestIdleness_ReleasesOnceAfterLoad(t *testing.T) {
	var idle idleness
	load, full := memory{live: 100 << 20, resident: 200 << 20}, 0
	for tick := range 30 {
		if tick < 5 || tick == 15 {
			load.allocated += 100 << 20
		}
		if idle.mayRelease(load) {
			full++
			if tick != 4+idleTicks && tick != 15+idleTicks {
				t.Errorf("memory is given back at tick %d", tick)
			}
		}
	}
	if full != 2 {
		t.Errorf("memory is given back %d times", full)
	}
}

func TestIdleness_LeavesWhatIsNotWorthIt(t *testing.T) {
	var idle idleness
	for range 10 {
		if idle.mayRelease(memory{live: 100 << 20, resident: 110 << 20}) {
			t.Fatal("10 MB of 100 are given back")
		}
	}
}
