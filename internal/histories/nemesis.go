//go:build linux

package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// nemesis lets faults strike a cluster, one after the other, each for a while.
// One goroutine uses it.
type nemesis struct {
	cluster *cluster
	rand    *rand.Rand
	logf    func(format string, args ...any)
	quiet   bool     // not a word about each fault
	hectic  bool     // faults are short, and so are the pauses
	struck  []string // what has been done, in order
}

// A fault is one thing that can go wrong. Its strike lasts as long as hold, and
// leaves a cluster that can get well by itself.
type fault struct {
	name     string
	possible func(*cluster) bool // nil = always
	strike   func(*nemesis, context.Context, *node) error
	leader   bool // n is the leader; nothing happens while there is none
	net      bool // leaves the processes alone, so that it may strike while one is hurt
	asked    bool // takes long: only by its name
}

// faults are all that a nemesis can do.
var faults = []fault{
	{name: "kill", strike: (*nemesis).killFor},
	{name: "kill the leader", strike: (*nemesis).killFor, leader: true},
	{name: "bounce", strike: (*nemesis).bounce},
	{name: "bounce the leader", strike: (*nemesis).bounce, leader: true},
	{name: "stop", strike: (*nemesis).stopFor},
	{name: "stop the leader", strike: (*nemesis).stopFor, leader: true},
	{name: "kill all", strike: (*nemesis).killAll},
	{name: "end", strike: (*nemesis).endAndStart},
	{name: "end the leader", strike: (*nemesis).endAndStart, leader: true},
	{name: "cut off", strike: (*nemesis).cutOff, possible: canCut, net: true},
	{name: "cut off the leader", strike: (*nemesis).cutOff, leader: true, possible: canCut, net: true},
	{name: "deafen", strike: (*nemesis).deafen, possible: canCut, net: true},
	{name: "deafen the leader", strike: (*nemesis).deafen, leader: true, possible: canCut, net: true},
	{name: "mute", strike: (*nemesis).mute, possible: canCut, net: true},
	{name: "mute the leader", strike: (*nemesis).mute, leader: true, possible: canCut, net: true},
	{name: "part one pair", strike: (*nemesis).partPair, possible: canCut, net: true},
	{name: "split", strike: (*nemesis).split, possible: canSplit, net: true},
	{name: "split but for one", strike: (*nemesis).splitButOne, possible: canSplit, net: true},
	{name: "slow disk", strike: (*nemesis).slowDisk, possible: hasSeams, net: true},
	{name: "slow disk of the leader", strike: (*nemesis).slowDisk, leader: true, possible: hasSeams, net: true},
	{name: "slow network", strike: (*nemesis).slowNetwork, possible: hasSeams, net: true},
	{name: "lag", strike: (*nemesis).lag, possible: hasSeams, net: true},
	{name: "wrong clock", strike: (*nemesis).setClock, possible: hasSeams, net: true},
	{name: "wrong clock of the leader", strike: (*nemesis).setClock, leader: true, possible: hasSeams, net: true},
	{name: "sync error", strike: (*nemesis).breakDisk, possible: hasSeams},
	{name: "sync error of the leader", strike: (*nemesis).breakDisk, leader: true, possible: hasSeams},
	{name: "full disk", strike: (*nemesis).fillDisk, possible: (*cluster).hasDisks},
	{name: "full disk of the leader", strike: (*nemesis).fillDisk, leader: true, possible: (*cluster).hasDisks},
	{name: "broken disk", strike: (*nemesis).breakFiles, possible: (*cluster).hasDisks},
	{name: "broken disk of the leader", strike: (*nemesis).breakFiles, leader: true, possible: (*cluster).hasDisks},
	{name: "power loss", strike: (*nemesis).losePower, possible: (*cluster).hasDisks},
	{name: "power loss of all", strike: (*nemesis).losePowerOfAll, possible: (*cluster).hasDisks},
	{name: "torn log", strike: (*nemesis).tearLog, possible: canJoin},
	{name: "transfer", strike: (*nemesis).transfer, possible: canJoin},
	{name: "freeze", strike: (*nemesis).freeze, possible: canCut, asked: true},
	{name: "freeze the leader", strike: (*nemesis).freeze, leader: true, possible: canCut, asked: true},
}

func canCut(c *cluster) bool   { return c.net.canCut() }
func canSplit(c *cluster) bool { return c.net.canCut() && len(c.nodes) > 3 }
func hasSeams(c *cluster) bool { return c.program.faulty }
func canJoin(c *cluster) bool  { return len(c.nodes) >= 3 }

// choose returns the faults of those names, or all, that the cluster can suffer.
func choose(c *cluster, names ...string) []fault {
	return slices.DeleteFunc(slices.Clone(faults), func(f fault) bool {
		if len(names) == 0 && f.asked || len(names) > 0 && !slices.Contains(names, f.name) {
			return true
		}
		return f.possible != nil && !f.possible(c)
	})
}

// plague strikes with random faults of some until ctx ends, and heals at the end.
func (m *nemesis) plague(ctx context.Context, some []fault) error {
	for len(some) > 0 && pause(ctx, m.lull()) {
		if err := m.strike(ctx, some[m.rand.IntN(len(some))]); err != nil {
			return err
		}
	}
	return nil
}

func (m *nemesis) strike(ctx context.Context, f fault) error {
	n := m.cluster.nodes[m.rand.IntN(len(m.cluster.nodes))]
	if f.leader {
		if n = m.cluster.leader(ctx); n == nil {
			return nil
		}
	}
	m.struck = append(m.struck, f.name)
	if !m.quiet {
		m.logf("%s: %s", f.name, n.name())
	}
	if err := f.strike(m, ctx, n); err != nil {
		return fmt.Errorf("%s %s: %w", f.name, n.name(), err)
	}
	return nil
}

// span is a random time between two numbers of milliseconds.
func (m *nemesis) span(least, most int) time.Duration {
	return time.Duration(least+m.rand.IntN(most-least)) * time.Millisecond
}

// lull is the time between two faults.
func (m *nemesis) lull() time.Duration {
	if m.hectic {
		return m.span(20, 500)
	}
	return m.span(300, 1500)
}

// hold lasts as long as a fault does.
func (m *nemesis) hold(ctx context.Context) {
	most := 4000
	if m.hectic {
		most = 1500
	}
	pause(ctx, m.span(300, most))
}

func (m *nemesis) killFor(ctx context.Context, n *node) error {
	if err := n.kill(); err != nil {
		return err
	}
	m.hold(ctx)
	return m.cluster.start(n)
}

// bounce kills and starts at once.
func (m *nemesis) bounce(_ context.Context, n *node) error {
	if err := n.kill(); err != nil {
		return err
	}
	return m.cluster.start(n)
}

func (m *nemesis) killAll(_ context.Context, _ *node) error {
	nothing := func(*node) error { return nil }
	return m.endAll(nothing, nothing)
}

// endAll kills all nodes at once, after doing one thing to each and before doing
// another, and starts them again.
func (m *nemesis) endAll(first, then func(*node) error) error {
	var err error
	for _, i := range m.rand.Perm(len(m.cluster.nodes)) {
		n := m.cluster.nodes[i]
		n.doom()
		err = errors.Join(err, first(n), n.signal(syscall.SIGKILL, true))
	}
	for _, n := range m.cluster.nodes {
		n.end(patience)
		err = errors.Join(err, then(n))
	}
	for _, i := range m.rand.Perm(len(m.cluster.nodes)) {
		err = errors.Join(err, m.cluster.start(m.cluster.nodes[i]))
	}
	return err
}

func (m *nemesis) losePower(_ context.Context, n *node) error {
	n.doom()
	if err := errors.Join(n.breakDisk(), n.kill(), n.repairDisk()); err != nil {
		return err
	}
	return m.cluster.start(n)
}

func (m *nemesis) losePowerOfAll(_ context.Context, _ *node) error {
	return m.endAll((*node).breakDisk, (*node).repairDisk)
}

func (m *nemesis) stopFor(ctx context.Context, n *node) error {
	if err := n.signal(syscall.SIGSTOP, false); err != nil {
		return err
	}
	m.hold(ctx)
	return n.signal(syscall.SIGCONT, false)
}

// endAndStart asks the process to end, as an operator does.
func (m *nemesis) endAndStart(_ context.Context, n *node) error {
	if err := n.signal(syscall.SIGTERM, true); err != nil {
		return err
	}
	n.end(patience)
	return m.cluster.start(n)
}

func (m *nemesis) cutFor(ctx context.Context, cuts ...[2][]int) error {
	for _, c := range cuts {
		if err := m.cluster.net.cut(c[0], c[1]); err != nil {
			return err
		}
	}
	m.hold(ctx)
	return m.cluster.net.heal()
}

func (m *nemesis) rest(n *node) []int { return others(len(m.cluster.nodes), n.place) }

func (m *nemesis) cutOff(ctx context.Context, n *node) error {
	one, rest := []int{n.place}, m.rest(n)
	return m.cutFor(ctx, [2][]int{one, rest}, [2][]int{rest, one})
}

// deafen lets n speak but not hear.
func (m *nemesis) deafen(ctx context.Context, n *node) error {
	return m.cutFor(ctx, [2][]int{m.rest(n), {n.place}})
}

// mute lets n hear but not speak.
func (m *nemesis) mute(ctx context.Context, n *node) error {
	return m.cutFor(ctx, [2][]int{{n.place}, m.rest(n)})
}

func (m *nemesis) partPair(ctx context.Context, n *node) error {
	rest := m.rest(n)
	other := rest[m.rand.IntN(len(rest)):][:1]
	return m.cutFor(ctx, [2][]int{{n.place}, other}, [2][]int{other, {n.place}})
}

// split parts the nodes into two halves, by chance.
func (m *nemesis) split(ctx context.Context, _ *node) error {
	order := m.rand.Perm(len(m.cluster.nodes))
	one, other := order[:len(order)/2], order[len(order)/2:]
	return m.cutFor(ctx, [2][]int{one, other}, [2][]int{other, one})
}

// splitButOne parts two halves that can both still reach one node.
func (m *nemesis) splitButOne(ctx context.Context, _ *node) error {
	order := m.rand.Perm(len(m.cluster.nodes))[1:]
	one, other := order[:len(order)/2], order[len(order)/2:]
	return m.cutFor(ctx, [2][]int{one, other}, [2][]int{other, one})
}

// freeze stops n for longer than answers at any may be old, and cuts it off before
// it goes on.
func (m *nemesis) freeze(ctx context.Context, n *node) error {
	if err := n.signal(syscall.SIGSTOP, false); err != nil {
		return err
	}
	pause(ctx, m.span(11_000, 14_000))
	one, rest := []int{n.place}, m.rest(n)
	err := errors.Join(m.cluster.net.cut(one, rest), m.cluster.net.cut(rest, one), n.signal(syscall.SIGCONT, false))
	m.hold(ctx)
	return errors.Join(err, m.cluster.net.heal())
}

// replace lets n come back as somebody else, with an empty disk.
func (m *nemesis) replace(n *node) error {
	old := n.name()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := until(ctx, func() error { return m.removeMember(ctx, n) }); err != nil {
		return fmt.Errorf("remove %s: %w", old, err)
	}
	if err := n.wipe(); err != nil {
		return err
	}
	n.rename(m.cluster.newName())
	if !m.quiet {
		m.logf("%s comes back as %s", old, n.name())
	}
	return m.cluster.start(n)
}

func (m *nemesis) removeMember(ctx context.Context, n *node) error {
	other := m.rest(n)[m.rand.IntN(len(m.cluster.nodes)-1)]
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := pb.NewClusterServiceClient(m.cluster.conns[other]).RemoveNode(ctx, &pb.RemoveNodeRequest{Id: n.name()})
	if reasonOf(err) == "UNKNOWN_NODE" {
		return nil // an earlier attempt has removed it
	}
	return err
}

// transfer asks some node to have another one lead; that may be refused.
func (m *nemesis) transfer(ctx context.Context, n *node) error {
	asked := m.rand.IntN(len(m.cluster.nodes))
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := pb.NewClusterServiceClient(m.cluster.conns[asked]).TransferLeadership(ctx, &pb.TransferLeadershipRequest{Id: n.name()})
	if err != nil && !m.quiet {
		m.logf("transfer to %s: %v", n.name(), err)
	}
	return nil
}
