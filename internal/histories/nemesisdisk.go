//go:build linux

package histories

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// ask puts a file into the control directory of n.
func (m *nemesis) ask(n *node, name, text string) error {
	return os.WriteFile(filepath.Join(n.control(), name), []byte(text), 0o600)
}

func (m *nemesis) unask(n *node, name string) error {
	return os.Remove(filepath.Join(n.control(), name))
}

func (m *nemesis) slowDisk(ctx context.Context, n *node) error {
	if err := m.ask(n, "slow", m.span(20, 1500).String()); err != nil {
		return err
	}
	m.hold(ctx)
	return m.unask(n, "slow")
}

// slowNetwork delays the votes for n, and votes and entries on their way to n;
// heartbeats come in time.
func (m *nemesis) slowNetwork(ctx context.Context, n *node) error {
	control := func(o *node) (name, text string) {
		if o == n {
			return "slow-votes", "900ms 2s"
		}
		return "slow-to", n.raft + " 2500ms"
	}
	for _, o := range m.cluster.nodes {
		name, text := control(o)
		if err := m.ask(o, name, text); err != nil {
			return err
		}
	}
	pause(ctx, m.span(4000, 10_000)) // an election or two
	var err error
	for _, o := range m.cluster.nodes {
		name, _ := control(o)
		err = errors.Join(err, m.unask(o, name))
	}
	return err
}

// breakDisk makes the next write of the log fail after it has been made. The
// node must end by itself.
func (m *nemesis) breakDisk(ctx context.Context, n *node) error {
	n.doom()
	if err := m.ask(n, "sync-error", ""); err != nil {
		return err
	}
	m.hold(ctx)
	if err := m.unask(n, "sync-error"); err != nil {
		return err
	}
	return m.revive(n)
}

// revive starts n again if it has ended, and lets it be if not.
func (m *nemesis) revive(n *node) error {
	l := n.current()
	pause(context.Background(), 200*time.Millisecond) // a node that has failed may be about to end
	select {
	case <-l.ended:
		n.end(0)
		return m.cluster.start(n)
	default:
		n.spare()
		return nil
	}
}

// fillDisk leaves n no room at all. The node may go on reading, or end.
func (m *nemesis) fillDisk(ctx context.Context, n *node) error {
	n.doom()
	if err := n.fill(); err != nil {
		return err
	}
	m.hold(ctx)
	if err := n.drop(); err != nil {
		return err
	}
	return m.revive(n)
}

// breakFiles makes everything fail that n's file system is asked for. The node
// must end by itself, unless it has nothing to write; what was not synced is lost.
func (m *nemesis) breakFiles(ctx context.Context, n *node) error {
	n.doom()
	if err := n.breakDisk(); err != nil {
		return err
	}
	m.hold(ctx)
	if err := errors.Join(n.kill(), n.repairDisk()); err != nil {
		return err
	}
	return m.cluster.start(n)
}

// lag lets n learn late what is committed, by less than a client waits.
func (m *nemesis) lag(ctx context.Context, n *node) error {
	var err error
	for _, i := range m.rest(n) {
		err = errors.Join(err, m.ask(m.cluster.nodes[i], "slow-to", n.raft+" "+m.span(100, 900).String()))
	}
	m.hold(ctx)
	for _, i := range m.rest(n) {
		err = errors.Join(err, m.unask(m.cluster.nodes[i], "slow-to"))
	}
	return err
}

// mostWrong is how wrong a clock may be, of a node or a client.
const mostWrong = 20 * time.Second

// setClock lets n's clock jump, and back.
func (m *nemesis) setClock(ctx context.Context, n *node) error {
	if err := m.ask(n, "clock", m.span(-int(mostWrong.Milliseconds()), int(mostWrong.Milliseconds())).String()); err != nil {
		return err
	}
	m.hold(ctx)
	return m.unask(n, "clock")
}

// tearLog damages the end of the log of a node that was killed. The node must
// refuse to start, or recover; if it refuses, it comes back with an empty disk
// under another name.
func (m *nemesis) tearLog(ctx context.Context, n *node) error {
	// More than a minority must never lose its disks.
	if until(ctx, func() error { return m.cluster.isWhole(ctx) }) != nil {
		return nil
	}
	if err := n.kill(); err != nil {
		return err
	}
	if err := m.damage(n.site.path(filepath.Join(n.dataDir(), "raft.db"))); err != nil {
		return err
	}
	if err := m.cluster.start(n); err != nil {
		return err
	}
	n.doom()
	life := n.current()
	wait, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := until(wait, func() error {
		select {
		case <-life.ended:
			return nil
		default:
			return m.cluster.isReady(wait, n)
		}
	})
	select {
	case <-life.ended:
		n.end(0)
		return m.replace(n)
	default:
		n.spare()
	}
	if ctx.Err() != nil {
		return nil // it may still be starting
	}
	return err
}

// pageSize is that of the log's file.
const pageSize = 4096

// damage cuts off what was used of a file's end, or fills it, or a page that was
// used, with noise.
func (m *nemesis) damage(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	end := len(content)
	for end > 0 && content[end-1] == 0 { // the file grows long before it is used
		end--
	}
	size := min(end, 1+m.rand.IntN(8*pageSize))
	from := end - size
	switch m.rand.IntN(3) {
	case 0:
		return os.Truncate(name, int64(from))
	case 1:
		from, size = m.rand.IntN(end/pageSize)*pageSize, pageSize
	}
	for i := range size {
		content[from+i] = byte(m.rand.Uint32())
	}
	return os.WriteFile(name, content, 0o600)
}
