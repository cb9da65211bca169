//go:build linux

package histories

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// loss is what clients noticed of one loss of the leader.
type loss struct {
	pause  time.Duration // from the loss to the first write that began after it and was acknowledged
	reads  int           // at "any" on the other nodes, meanwhile and for a moment after
	failed []string      // those that were not answered
}

// losses are figures of several.
type losses []loss

func (l losses) pauses() []time.Duration {
	var out []time.Duration
	for _, x := range l {
		out = append(out, x.pause)
	}
	slices.Sort(out)
	return out
}

func (l losses) median() time.Duration  { return l.pauses()[len(l)/2] }
func (l losses) longest() time.Duration { return l.pauses()[len(l)-1] }

func (l losses) failed() []string {
	var out []string
	for _, x := range l {
		out = append(out, x.failed...)
	}
	return out
}

func (l losses) String() string {
	reads := 0
	for _, x := range l {
		reads += x.reads
	}
	var all []string
	for _, p := range l.pauses() {
		all = append(all, p.Round(time.Millisecond).String())
	}
	return fmt.Sprintf("%d losses of the leader: writes paused for %v in the median, %v at most (%s); of %d reads at any on the other nodes %d failed",
		len(l), l.median().Round(time.Millisecond), l.longest().Round(time.Millisecond), strings.Join(all, " "), reads, len(l.failed()))
}

// writers is how many clients write while the leader is lost.
const writers = 8

// loseLeader ends the leader by a signal under load, and starts it again once
// clients have noticed nothing more for a while.
func (r *run) loseLeader(ctx context.Context, sig syscall.Signal) (loss, error) {
	if err := until(ctx, func() error { return r.cluster.isWhole(ctx) }); err != nil {
		return loss{}, err
	}
	leader := r.cluster.leader(ctx)
	if leader == nil {
		return loss{}, fmt.Errorf("there is no leader")
	}
	load, stop := context.WithCancel(ctx)
	defer stop()
	var lost atomic.Int64 // moment of the loss
	first := make(chan moment, 1)
	var wg sync.WaitGroup
	for range writers {
		c := r.newClient()
		wg.Go(func() { c.writeUntilLost(load, &lost, first) })
	}
	var l loss
	var mu sync.Mutex
	for _, n := range r.cluster.nodes {
		if n == leader {
			continue
		}
		c := r.newClient()
		wg.Go(func() {
			reads, failed := c.readAny(load, n)
			mu.Lock()
			defer mu.Unlock()
			l.reads, l.failed = l.reads+reads, append(l.failed, failed...)
		})
	}
	pause(ctx, time.Second)
	lost.Store(int64(r.history.now()))
	if err := leader.signal(sig, true); err != nil {
		return l, err
	}
	select {
	case at := <-first:
		l.pause = time.Duration(at) - time.Duration(lost.Load())
	case <-ctx.Done():
		return l, fmt.Errorf("writes do not go on: %w", ctx.Err())
	}
	pause(ctx, time.Second)
	stop()
	wg.Wait()
	leader.end(patience)
	return l, r.cluster.start(leader)
}

// writeUntilLost writes one register after the other, each through another node,
// and tells of the first acknowledgement of a write that began after the loss.
func (c *client) writeUntilLost(ctx context.Context, lost *atomic.Int64, first chan<- moment) {
	for n := 0; ctx.Err() == nil; n++ {
		w := c.write(ctx, touch(registerTuple(c.number%registers, fmt.Sprintf("c%d-%d", c.number, n))))
		at := lost.Load()
		if w.outcome == done && at != 0 && int64(w.call) > at {
			select {
			case first <- w.ret:
			default:
			}
		}
	}
}

// readAny reads at "any" on one node all the time.
func (c *client) readAny(ctx context.Context, n *node) (reads int, failed []string) {
	q := someQuestion(c.rand)
	for pause(ctx, 2*time.Millisecond) {
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
		_, err := pb.NewPermissionServiceClient(c.cluster.conns[n.place]).Check(attempt, &pb.CheckRequest{
			Object: wireObject(q.Object), Permission: q.Permission, Subject: wireSubject(q.Subjects[0]),
		})
		cancel()
		reads++
		if err != nil {
			failed = append(failed, fmt.Sprintf("on %s: %v", n.name(), err))
		}
	}
	return reads, failed
}
