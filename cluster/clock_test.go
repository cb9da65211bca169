package cluster

import (
	"testing"
	"time"
)

// fakeClocks are both clocks of a clock, in hand.
type fakeClocks struct{ wall, mono int64 }

func (f *fakeClocks) pass(d time.Duration) { f.wall += int64(d); f.mono += int64(d) }

// newClock is a clock that knows that it is one hour after the epoch.
func newClock() (*clock, *fakeClocks) {
	f := &fakeClocks{wall: int64(time.Hour), mono: 7}
	c := &clock{wall: func() int64 { return f.wall }, mono: func() int64 { return f.mono }}
	c.believe(f.wall)
	return c, f
}

func TestClock_FollowsAClockThatIsRight(t *testing.T) {
	c, f := newClock()
	for range 1000 {
		f.pass(37 * time.Millisecond)
		if got := c.now(); got != f.wall || c.off() != 0 {
			t.Fatalf("%v, off by %v; want %v", got, c.off(), f.wall)
		}
	}
}

func TestClock_SetAheadGetsAheadByTheRoomOnce(t *testing.T) {
	c, f := newClock()
	right := f.wall
	f.wall += int64(10 * 365 * 24 * time.Hour)
	for range 1000 { // many commands must not add up
		f.pass(time.Second)
		right += int64(time.Second)
		if got := time.Duration(c.now() - right); got < 0 || got > 10*time.Second+time.Second {
			t.Fatalf("%v ahead", got)
		}
	}
	if c.off() < 9*365*24*time.Hour {
		t.Errorf("off by %v", c.off())
	}
}

func TestClock_SetBackGoesOn(t *testing.T) {
	c, f := newClock()
	right, last := f.wall, c.now()
	f.wall -= int64(30 * time.Minute)
	for range 1000 {
		f.pass(time.Second)
		right += int64(time.Second)
		now := c.now()
		if now <= last || now > right || time.Duration(right-now) > 2*time.Second {
			t.Fatalf("%v after %v, %v behind", now, last, time.Duration(right-now))
		}
		last = now
	}
	if c.off() > -29*time.Minute {
		t.Errorf("off by %v", c.off())
	}
}

// Where the wall clock was set back because it had been ahead, the time gets
// back to it in the end.
func TestClock_SlightlyAheadComesBack(t *testing.T) {
	c, f := newClock()
	f.wall += int64(5 * time.Second)
	c.now()
	f.wall -= int64(5 * time.Second)
	for range 2 * 5 * clockDrift {
		f.pass(time.Second)
		c.now()
	}
	if got := c.now(); got != f.wall {
		t.Errorf("%v ahead", time.Duration(got-f.wall))
	}
}

func TestClock_TakesWhatTheLogSays(t *testing.T) {
	c, f := newClock()
	c.saw(f.wall-int64(time.Minute), true)
	if got := c.now(); got != f.wall {
		t.Errorf("a command of the past sets it back by %v", time.Duration(f.wall-got))
	}
	c.saw(f.wall+int64(time.Hour), true)
	if got := c.now(); got != f.wall+int64(time.Hour) {
		t.Errorf("%v behind what is in the log", time.Duration(f.wall+int64(time.Hour)-got))
	}
}

func TestClock_OldCommandsDoNotTellTheTime(t *testing.T) {
	f := &fakeClocks{wall: int64(100 * time.Hour), mono: 5}
	c := &clock{wall: func() int64 { return f.wall }, mono: func() int64 { return f.mono }}
	c.saw(int64(time.Hour), false) // replayed
	if c.isKnown() || c.off() != 0 {
		t.Errorf("known %v, off by %v", c.isKnown(), c.off())
	}
	c.believe(f.wall)
	if got := c.now(); !c.isKnown() || got != f.wall {
		t.Errorf("%v behind", time.Duration(f.wall-got))
	}
}

// The majority's word counts where it is ahead, and gives no new room while it
// is not.
func TestClock_MajorityMovesItOnlyAhead(t *testing.T) {
	c, f := newClock()
	right := f.wall
	f.wall += int64(time.Hour)
	for range 100 {
		f.pass(time.Second)
		right += int64(time.Second)
		c.believe(right)
		if got := time.Duration(c.now() - right); got > 11*time.Second {
			t.Fatalf("%v ahead", got)
		}
	}
	c.believe(f.wall)
	if got := c.now(); got != f.wall {
		t.Errorf("%v behind", time.Duration(f.wall-got))
	}
}
