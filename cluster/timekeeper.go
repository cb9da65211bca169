package cluster

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

const (
	timePace = time.Second // between looks at the clock
	// soloPatience is how long a node that alone has a vote mistrusts its clock,
	// if that is not set ahead by more than soloJump: it may have slept.
	soloPatience = time.Minute
	soloJump     = 24 * time.Hour
	clockNotice  = time.Minute // between complaints about the clock
)

// keepTime runs until the node stops and sees to it that the clock makes sense.
func (n *Node) keepTime() {
	tick := time.NewTicker(timePace)
	defer tick.Stop()
	var since, told time.Time // the clock has been wrong; that was last told; zero = not
	for {
		select {
		case <-tick.C:
		case <-n.stop:
			return
		}
		off := n.clock.off()
		switch {
		case off == 0 && !since.IsZero():
			n.log.Info("the clock and the cluster's time agree again")
			since, told = time.Time{}, time.Time{}
			continue
		case off == 0:
			continue
		case since.IsZero():
			since = time.Now()
		}
		if time.Since(told) >= clockNotice {
			told = time.Now()
			n.log.Error("this node's clock and the cluster's time are far apart; set the clock right, or, if it is, restart the node",
				"clock_is_ahead_by", off, "leads", n.IsLeader())
		}
		if off > 0 && n.IsLeader() {
			n.askTime(time.Since(since))
		}
	}
}

// askTime moves the time of a leader whose clock is ahead of it, if it is the
// others' clocks that are right. A node without other voters has only its own.
func (n *Node) askTime(since time.Duration) {
	if n.isSoleVoter() {
		if since >= soloPatience && n.clock.off() <= soloJump {
			n.clock.believe(n.cfg.Now())
			n.log.Warn("the clock has stayed where it was set, so the cluster's time follows it")
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timePace)
	defer cancel()
	if t, ok := n.votersTime(ctx); ok {
		n.clock.believe(t)
	}
}

// learnTime makes a new leader know the time: a process that has just started
// has only its own clock, which may be wrong. Where too few answer it has to do.
func (n *Node) learnTime() {
	if n.clock.isKnown() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.LeaseTimeout)
	defer cancel()
	t, ok := n.votersTime(ctx)
	if !ok {
		n.log.Warn("no majority tells the time; the cluster's is that of this node's clock")
		t = n.cfg.Now()
	}
	n.clock.believe(t)
}

// votersTime returns the lower median of the voters' clocks, this one's included,
// so that a minority of fast ones does not count. It is not ok if those that
// answer before ctx ends are no majority.
func (n *Node) votersTime(ctx context.Context) (t int64, ok bool) {
	voters := n.voters()
	need := len(voters)/2 + 1
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan int64, len(voters))
	asked := 0
	for _, m := range n.members() {
		if m.Suffrage == raft.Voter && string(m.ID) != n.cfg.NodeID && n.isRouted() {
			asked++
			n.loops.Go(func() {
				s, err := n.cfg.Peers.Peer(string(m.Address)).Status(ctx)
				if err != nil {
					s.Clock = 0
				}
				answers <- s.Clock
			})
		}
	}
	clocks := []int64{n.cfg.Now()}
	for ; asked > 0; asked-- {
		select {
		case c := <-answers:
			if c > 0 {
				clocks = append(clocks, c)
			}
		case <-ctx.Done():
			asked = 1
		case <-n.stop:
			return 0, false
		}
	}
	slices.Sort(clocks)
	return clocks[(len(clocks)-1)/2], len(clocks) >= need
}
