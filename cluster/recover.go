package cluster

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/store"
)

// recovery is what a recovered node has to do when it leads for the first time.
type recovery struct {
	// Incarnation is the cluster's to be; 0 = the log has not been cut yet, and
	// Recover must be called again.
	Incarnation uint64 `json:"incarnation"`
	// Lost are the members that the cluster had besides this node.
	Lost []string `json:"lost"`
}

// Recovered says what Recover has made of a data dir.
type Recovered struct {
	NodeID      string
	Revision    uint64   // of the newest write that is left
	Incarnation uint64   // of the cluster from now on
	Lost        []string // ids of the members that are no more
}

// Recover makes the node in cfg's data dir, which must not run, the only member
// of its cluster, with all that its log holds. It is for a cluster whose other
// voters are lost, so that there is no quorum any more: what was acknowledged
// and is not on this disk is lost, and what only waits for a quorum may come
// true. When the node starts again, all tokens given so far are refused. The
// other members must not run any more; they can join after their data dirs are
// emptied.
func Recover(cfg Config) (Recovered, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Recovered{}, fmt.Errorf("recover: %w", err)
	}
	d, err := openDisk(&cfg)
	if err != nil {
		return Recovered{}, fmt.Errorf("recover: %w", err)
	}
	r, err := newNode(cfg, d).recover()
	if err = errors.Join(err, d.close()); err != nil {
		return Recovered{}, fmt.Errorf("recover: %w", err)
	}
	return r, nil
}

// recover runs on a node that has not been started.
func (n *Node) recover() (r Recovered, err error) {
	stable := stableStore{n.disk.stable, n.logs.guard}
	s := &scanner{log: n.logs, stable: stable, nodeID: n.cfg.NodeID, file: n.disk.logName(), alone: true}
	if err := s.scan(n.disk.snaps); err != nil {
		return r, err
	}
	if len(s.members.Servers) == 0 {
		return r, errors.New("the data dir holds no cluster")
	}
	var lost []string
	for _, m := range s.members.Servers {
		if string(m.ID) != n.cfg.NodeID {
			lost = append(lost, string(m.ID))
		}
	}
	if lost, err = n.beginRecovery(lost); err != nil {
		return r, err
	}
	if err := n.cutLog(stable); err != nil {
		return r, err
	}
	id, incarnation := n.store.Cluster()
	if id == "" {
		return r, errors.New("the data dir holds no cluster")
	}
	incarnation++
	err = n.disk.self.change(func(me *identity) error {
		me.ClusterID, me.Joining, me.Promise = id, "", nil
		me.Recovery = &recovery{incarnation, lost}
		return nil
	})
	return Recovered{n.cfg.NodeID, n.store.Revision(), incarnation, lost}, err
}

// beginRecovery notes that the log is about to be cut, and returns all members
// that are lost, those of an earlier try included.
func (n *Node) beginRecovery(lost []string) ([]string, error) {
	err := n.disk.self.change(func(id *identity) error {
		if id.Recovery != nil {
			lost = append(lost, id.Recovery.Lost...)
			slices.Sort(lost)
			lost = slices.Compact(lost)
		}
		if id.Recovery == nil || id.Recovery.Incarnation != 0 {
			id.Generation++
		}
		id.Recovery = &recovery{0, lost}
		return nil
	})
	return lost, err
}

// cutLog replaces snapshot and log by a snapshot of everything, with this node
// as the only member.
func (n *Node) cutLog(stable raft.StableStore) error {
	addr := raft.ServerAddress(n.cfg.AdvertiseAddr)
	or(&addr, raft.ServerAddress(n.cfg.RaftAddr))
	or(&addr, raft.ServerAddress(n.cfg.NodeID))
	conf := n.cfg.raftConfig()
	_, trans := raft.NewInmemTransport(addr)
	self := raft.Configuration{Servers: []raft.Server{{ID: conf.LocalID, Address: addr}}}
	err := raft.RecoverCluster(conf, n.machine(), n.logs, stable, n.disk.snaps, trans, self)
	if damage := n.disk.snaps.damage(); damage != nil {
		return damage
	}
	return err
}

// checkRecovered refuses to start in the midst of a recovery.
func (id *identity) checkRecovered() error {
	if id.Recovery != nil && id.Recovery.Incarnation == 0 {
		return errors.New("the recovery of this data dir was interrupted; run pemba cluster recover again")
	}
	return nil
}

// finishRecovery makes all older tokens foreign and forgets the members that
// are lost, if this node has just been recovered.
func (n *Node) finishRecovery() error {
	id := n.disk.self.get()
	if id.Recovery == nil {
		return nil
	}
	if _, now := n.store.Cluster(); now < id.Recovery.Incarnation {
		c := store.Command{Kind: store.KindIncarnation, NewIncarnation: id.Recovery.Incarnation, Actor: actor}
		if _, err := n.proposeHere(c); err != nil {
			return err
		}
	}
	e := edit{node: n}
	for _, lost := range id.Recovery.Lost {
		if n.ownRecord(memberKey+lost) != nil {
			e.set(memberKey+lost, nil)
		}
	}
	if err := e.commit(); err != nil {
		return err
	}
	return n.noteIdentity(n.disk.self.change(func(id *identity) error {
		id.Recovery = nil
		return nil
	}))
}
