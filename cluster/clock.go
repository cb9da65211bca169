package cluster

import (
	"sync"
	"time"
)

const (
	// clockRoom is how far a clock may be set ahead, all in all, before its
	// commands need somebody else's word for it; the room comes back slowly.
	clockRoom = int64(10 * time.Second)
	// clockDrift is by how much the rates of two clocks may differ: one in so many.
	clockDrift = 1000
)

// clock gives commands their time. A time that runs ahead of the truth cannot be
// taken back: what has expired stays expired, and request ids stay too old. So a
// clock that is set does not move it at once. Against a second clock, which
// nobody sets, it is kept on a line: from the newest time given or seen in the
// log on, it goes at least about as fast as that clock, whatever was set back,
// and gets ahead by clockRoom at most, whatever was set forward.
type clock struct {
	wall func() int64 // Unix nanoseconds
	mono func() int64 // nanoseconds since whenever; nil = wall is never set

	mu    sync.Mutex
	line  int64 // guarded by mu; the newest time given or seen
	at    int64 // guarded by mu; on mono, when line was the time
	room  int64 // guarded by mu; how much of clockRoom was left then
	known bool  // guarded by mu; line is the time, not only one of the past
}

// span returns the bounds of the time, and how much room there is above it. The
// caller holds mu.
func (c *clock) span() (least, most, room int64) {
	gone := c.mono() - c.at
	drift := gone / clockDrift
	room = min(c.room+drift, clockRoom)
	return c.line + gone - drift, c.line + gone + room, room
}

// now returns the time of a command. It never runs back.
func (c *clock) now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mono == nil {
		c.line = max(c.line, c.wall())
		return c.line
	}
	least, most, room := c.span()
	now := min(max(c.wall(), least), most)
	c.line, c.at, c.room = now, c.mono(), min(room, most-now)
	return now
}

// saw says that a command of time t is applied; live, that it was committed a
// moment ago.
func (c *clock) saw(t int64, live bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.move(t)
	c.known = c.known || live
}

// believe moves the time on to t, on better evidence than the wall clock, if t
// lies beyond what that could do.
func (c *clock) believe(t int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && c.mono != nil {
		if _, most, _ := c.span(); t <= most {
			return // or the room would be used again and again
		}
	}
	c.move(t)
	c.known = true
}

// move puts the line to t, if that is ahead. The caller holds mu.
func (c *clock) move(t int64) {
	if c.mono == nil {
		c.line = max(c.line, t)
	} else if least, _, room := c.span(); !c.known && t > c.line {
		c.line, c.at, c.room = t, c.mono(), clockRoom
	} else if t > least {
		c.line, c.at, c.room = t, c.mono(), room
	}
}

// isKnown reports whether now is the time, rather than the time at which the
// newest command in the log was proposed.
func (c *clock) isKnown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known || c.mono == nil
}

// off returns how far the wall clock is out of bounds: ahead, or, below 0,
// behind, for which those that were ahead within their room are no reason. It is
// 0 where there is nothing to compare it with.
func (c *clock) off() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mono == nil || !c.known {
		return 0
	}
	wall := c.wall()
	least, most, _ := c.span()
	switch {
	case wall > most:
		return time.Duration(wall - most)
	case wall < least-2*clockRoom:
		return time.Duration(wall - least)
	}
	return 0
}
