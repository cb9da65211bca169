package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A disk must never be full: a write of the log that fails ends the process. So
// each node keeps some room, which snapshots and the log's own upkeep need. With
// less than MinFreeDisk a leader takes no writes, with less than half of it a
// follower takes no entries, and below a quarter a snapshot is given up.

// checkRoom refuses what would leave less than room, after size more bytes.
func (n *Node) checkRoom(size, room int64) error {
	if n.cfg.MinFreeDisk < 0 {
		return nil
	}
	free, err := n.freeDisk()
	if err != nil {
		return fmt.Errorf("look at free disk: %w", err)
	}
	if free-size < room {
		return fmt.Errorf("%w: node %s has %d MiB free, and needs %d MiB", ErrDiskFull, n.cfg.NodeID, free>>20, (size+room)>>20)
	}
	return nil
}

// admitWrites refuses writes on a leader while its own disk is almost full, or
// those of so many voters that nothing could be committed.
func (n *Node) admitWrites() error {
	if err := n.checkRoom(0, n.cfg.MinFreeDisk); err != nil {
		return err
	}
	return n.checkQuorumRoom()
}

// checkQuorumRoom refuses writes on a leader while nothing could be committed for
// full disks. It is cheap.
func (n *Node) checkQuorumRoom() error {
	full := n.transport.full.recently(time.Now())
	if len(full) == 0 {
		return nil
	}
	voters := n.voters()
	var names []string
	for _, v := range voters {
		if slices.Contains(full, v) {
			names = append(names, string(v))
		}
	}
	if len(names) > (len(voters)-1)/2 {
		return fmt.Errorf("%w: on %s, which leaves no quorum", ErrDiskFull, strings.Join(names, ", "))
	}
	return nil
}

// admitEntries refuses entries and snapshots that this follower has no room for.
// To the leader that is a message lost; see fullDisks.
func (n *Node) admitEntries(rpc raft.RPC) error {
	switch r := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		if len(r.Entries) > 0 {
			return n.checkRoom(0, n.cfg.MinFreeDisk/2)
		}
	case *raft.InstallSnapshotRequest:
		return n.checkRoom(r.Size, n.cfg.MinFreeDisk/2)
	}
	return nil
}

func (n *Node) freeDisk() (int64, error) {
	switch {
	case n.cfg.FreeDisk != nil:
		return n.cfg.FreeDisk()
	case n.disk.dir == nil:
		return 1<<63 - 1, nil
	}
	return freeDisk(n.disk.dir.path)
}

// yieldFull hands a leader's office over if its disk is too full for writes and
// another voter has room.
func (n *Node) yieldFull(ctx context.Context) error {
	why := n.checkRoom(0, n.cfg.MinFreeDisk)
	if why == nil || len(n.voters()) < 2 {
		return nil
	}
	for _, m := range n.members() {
		if m.Suffrage != raft.Voter || string(m.ID) == n.cfg.NodeID || n.isSpent(m) {
			continue
		}
		if s, err := n.cfg.Peers.Peer(string(m.Address)).Status(ctx); err != nil || s.DiskFull || !s.Ready {
			continue
		}
		n.log.Error("hand over to a member whose disk has room", "to", m.ID, "why", why)
		_, err := n.transfer(ctx, string(m.ID))
		return err
	}
	return nil
}

// fullDisks remembers which followers have refused entries because their disks
// are full.
type fullDisks struct {
	mu   sync.Mutex
	last map[raft.ServerID]time.Time // guarded by mu
}

// fullFor is how long a refusal counts: raft tries again within about 10 s.
const fullFor = 15 * time.Second

// note takes what came of sending entries to id. Over the wire only the text of
// an error is left.
func (f *fullDisks) note(id raft.ServerID, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		delete(f.last, id)
	case strings.Contains(err.Error(), ErrDiskFull.Error()):
		if f.last == nil {
			f.last = map[raft.ServerID]time.Time{}
		}
		f.last[id] = time.Now()
	}
}

func (f *fullDisks) recently(now time.Time) []raft.ServerID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []raft.ServerID
	for id, at := range f.last {
		if now.Sub(at) < fullFor {
			ids = append(ids, id)
		}
	}
	return ids
}
