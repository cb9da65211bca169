package main

import (
	"testing"
	"time"
)

func TestNextRoom_GrowsWithTheRateOfCollections(t *testing.T) {
	room := uint64(0)
	for _, step := range []struct {
		since   time.Duration
		scanned uint64
		want    uint64
	}{
		{time.Minute, 0, leastRoom},
		{time.Millisecond, 0, 2 * leastRoom},
		{time.Millisecond, 0, 4 * leastRoom},
		{(tooOften + rarely) / 2, 0, 4 * leastRoom},
		{time.Millisecond, 0, 8 * leastRoom},
		{time.Millisecond, 0, 16 * leastRoom},
		{time.Millisecond, 0, mostRoom},
		{time.Second, 2 * mostRoom, 2 * mostRoom}, // a large heap that must be looked into
		{time.Minute, 0, mostRoom},
		{time.Minute, 0, mostRoom / 2},
	} {
		if room = nextRoom(room, step.since, step.scanned); room != step.want {
			t.Fatalf("a collection after %v, %d bytes looked into: room %d, not %d", step.since, step.scanned, room, step.want)
		}
	}
}

func TestCollectorPercent_IsTheRoomOverWhatLives(t *testing.T) {
	for live, want := range map[uint64]int{0: 1600, 1 << 20: 1600, 64 << 20: 100, 512 << 20: 12, 1 << 40: 1} {
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
