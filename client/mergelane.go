package client

import (
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	mostFlying  = 8  // frames of a lane under way
	worthFlying = 32 // questions that are worth a frame whatever else is under way

	// flightTime is how much of a round trip is worth a frame: where the way to
	// the server takes n times as long, n frames may be under way, so that no
	// question waits much longer than this for the next one.
	flightTime = 500 * time.Microsecond
)

// laneKey is what the questions of a frame have in common.
type laneKey struct {
	tenant string
	at     Consistency
}

// A lane is questions of one kind on their way to one server. The merger's mu
// guards it.
type lane struct {
	key         laneKey
	consistency *pb.Consistency

	full   []*frame // to be sent before open
	open   *frame   // takes questions; nil = none
	queued int      // questions in both
	flying int      // frames sent and not answered
	listed bool     // it is among the merger's ready ones

	heard time.Time // of an answer, or since when there is something to answer
}

// mayGo reports whether a frame may be sent, with so many under way at any size.
func (l *lane) mayGo(always int) bool {
	return l.queued > 0 && (l.flying < always || l.flying < mostFlying && l.queued >= worthFlying)
}

// isStuck reports whether nothing has been answered for d.
func (l *lane) isStuck(now time.Time, d time.Duration) bool {
	return l.flying > 0 && now.Sub(l.heard) > d
}

func (l *lane) isIdle() bool { return l.flying == 0 && l.queued == 0 }

// take removes the first frame to be sent, now under way.
func (l *lane) take(now time.Time) *frame {
	f := l.open
	if len(l.full) > 0 {
		f = l.full[0]
		l.full = append(l.full[:0], l.full[1:]...)
	} else {
		l.open = nil
	}
	if l.flying == 0 {
		l.heard = now
	}
	l.flying++
	l.queued -= len(f.checks)
	return f
}

// A floor is the shortest round trip of the last while, which is about what the
// network takes.
type floor struct {
	now, before time.Duration // of this span and the one before; 0 = unknown
	until       time.Time     // the end of this span
}

const floorSpan = 10 * time.Second

func (f *floor) note(now time.Time, took time.Duration) {
	if now.After(f.until) {
		f.before, f.now, f.until = f.now, 0, now.Add(floorSpan)
	}
	if f.now == 0 || took < f.now {
		f.now = max(took, 1)
	}
}

// frames is how many frames may be under way whatever their size.
func (f *floor) frames() int {
	shortest := f.now
	if shortest == 0 || f.before != 0 && f.before < shortest {
		shortest = f.before
	}
	return min(max(int(shortest/flightTime), 1), mostFlying)
}
