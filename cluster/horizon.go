package cluster

import (
	"time"

	"github.com/pemba-authz/pemba/internal/faulty"
	"github.com/pemba-authz/pemba/store"
)

// horizon decides how far back views stay readable: to the newest revision
// that is a window old. It remembers which revision was current when, so that
// the decision needs no history in the store. By age only; by bytes is for a
// later issue. Owned by the goroutine that ticks it.
type horizon struct {
	window  time.Duration
	samples []sample // times and revisions grow
	own     uint64   // revision of the last horizon command
}

type sample struct {
	time int64 // nanoseconds, on a clock that nobody sets
	rev  uint64
}

// step is how long the horizon may lag behind its window.
func (h *horizon) step() time.Duration {
	return max(min(h.window/60, time.Minute), time.Second)
}

// tick notes that rev is current at now, and returns the revision to move the
// horizon to, 0 for none. A revision that only moved the horizon is not worth
// another move, so that an idle cluster falls silent.
func (h *horizon) tick(now int64, rev, current uint64) uint64 {
	if last := len(h.samples) - 1; rev != h.own && (last < 0 || h.samples[last].rev < rev) {
		h.samples = append(h.samples, sample{now, rev})
	}
	n := 0
	for n < len(h.samples) && h.samples[n].time <= now-int64(h.window) {
		n++
	}
	if n == 0 {
		return 0
	}
	goal := h.samples[n-1].rev
	h.samples = h.samples[n:]
	if goal <= current {
		return 0
	}
	return goal
}

// moveHorizon runs until the node stops. Only a leader proposes; a follower
// keeps its samples fresh, so that it can take over.
func (n *Node) moveHorizon() {
	defer n.loops.Done()
	if n.cfg.HorizonWindow < 0 {
		return
	}
	h := &horizon{window: n.cfg.HorizonWindow}
	tick := time.NewTicker(h.step())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			n.tickHorizon(h)
		case <-n.stop:
			return
		}
	}
}

func (n *Node) tickHorizon(h *horizon) {
	now := int64(time.Since(n.started))
	goal := h.tick(now, n.store.Revision(), n.store.Horizon())
	if faulty.LocalHorizon {
		n.moveHorizonHere(goal)
		return
	}
	if goal == 0 || !n.IsLeader() {
		return
	}
	out, err := n.proposeHere(store.Command{Kind: store.KindHorizon, Horizon: goal, Actor: actor})
	if err != nil {
		n.log.Warn("move horizon", "to", goal, "err", err)
		h.samples = append([]sample{{now - int64(h.window), goal}}, h.samples...)
		return
	}
	h.own = out.Revision
}
