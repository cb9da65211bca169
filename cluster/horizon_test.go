package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestHorizon_FollowsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := gated(t, nil)
		var first, last uint64
		for i := range 120 { // two hours
			last = propose(t, n, write(i)).Revision
			if first == 0 {
				first = last
			}
			<-time.After(time.Minute)
		}
		synctest.Wait()
		got := n.Store().Horizon()
		if age := time.Since(logAt(t, n, got).AppendedAt); age < time.Hour || age > time.Hour+2*time.Minute {
			t.Errorf("the horizon %d is %v old (revisions %d to %d)", got, age, first, last)
		}
		closed(t, n)
	})
}

func TestHorizon_IdleClusterFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, g := gated(t, nil)
		propose(t, n, write(1))
		<-time.After(3 * time.Hour)
		synctest.Wait()
		entries, rev := g.entries.Load(), n.Store().Revision()
		if n.Store().Horizon() == 0 {
			t.Error("the horizon has not moved at all")
		}
		<-time.After(24 * time.Hour)
		synctest.Wait()
		if g.entries.Load() != entries || n.Store().Revision() != rev {
			t.Errorf("an idle day wrote %d entries", g.entries.Load()-entries)
		}
		closed(t, n)
	})
}

func TestHorizon_Tick(t *testing.T) {
	h := horizon{window: time.Minute}
	sec := int64(time.Second)
	steps := []struct {
		at        int64
		rev, want uint64
	}{
		{0, 5, 0},
		{30, 8, 0},
		{59, 8, 0},
		{60, 9, 5},
		{80, 9, 0},
		{95, 12, 8},
		{200, 12, 12}, // the newest of all that are old enough
		{300, 12, 0},
	}
	current := uint64(0)
	for _, s := range steps {
		got := h.tick(s.at*sec, s.rev, current)
		if got != s.want {
			t.Errorf("at %d s, revision %d: moved to %d, want %d", s.at, s.rev, got, s.want)
		}
		current = max(current, got)
	}
}
