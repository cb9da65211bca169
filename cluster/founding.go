package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"
)

// Promise is what a fresh node promises, durably and once: to found Cluster
// with these founders, and no other cluster. The first founder proposes it, and
// is the only one who ever bootstraps Cluster: once everybody has promised its
// newest ballot. Two foundings would need a node that has promised twice.
type Promise struct {
	Cluster  string    `json:"cluster"` // its UUID to be
	Ballot   uint64    `json:"ballot"`  // a later one of the same proposer replaces an earlier one
	Founders []Founder `json:"founders"`
}

// Founder is one of the nodes that found a cluster.
type Founder struct {
	ID    string `json:"id"`
	Disk  string `json:"disk"`
	Addr  string `json:"addr"` // of the node port
	Level int    `json:"level"`
}

func (p *Promise) equal(q *Promise) bool {
	return p.Cluster == q.Cluster && p.Ballot == q.Ballot && slices.Equal(p.Founders, q.Founders)
}

// replaces reports whether p may take q's place: only its proposer can have
// bootstrapped q, and has not, or it would not propose p.
func (p *Promise) replaces(q *Promise) bool {
	return p.Cluster == q.Cluster && p.Ballot > q.Ballot && p.Founders[0].Disk == q.Founders[0].Disk
}

func (p *Promise) has(id string) bool {
	return slices.ContainsFunc(p.Founders, func(f Founder) bool { return f.ID == id })
}

// check refuses what no node may promise: the founders must be distinct, in
// order, and as many as expected.
func (p *Promise) check(expect int) error {
	ordered := slices.IsSortedFunc(p.Founders, func(a, b Founder) int { return strings.Compare(a.ID, b.ID) })
	distinct := map[string]bool{}
	for _, f := range p.Founders {
		distinct["id "+f.ID], distinct["disk "+f.Disk], distinct["addr "+f.Addr] = true, true, true
	}
	if p.Cluster == "" || len(p.Founders) != expect || !ordered || len(distinct) != 3*expect {
		return &RefusedError{"OTHER_FOUNDERS", fmt.Sprintf("%d nodes want to found a cluster, this node expects %d", len(p.Founders), expect),
			"start all of them with the same --bootstrap-expect"}
	}
	return nil
}

// Promise makes this node promise p, or refuses.
func (s *Service) Promise(_ context.Context, p Promise) error {
	n := s.node
	if err := p.check(n.cfg.BootstrapExpect); err != nil {
		return err
	}
	return n.noteIdentity(n.disk.self.change(func(id *identity) error {
		switch {
		case !slices.ContainsFunc(p.Founders, func(f Founder) bool { return f.ID == id.NodeID && f.Disk == id.DiskID }):
			return &RefusedError{"OTHER_DISK", fmt.Sprintf("node %s is not the one that was seen: its disk differs", id.NodeID), "look again"}
		case id.Promise != nil && id.Promise.equal(&p):
			return nil
		case id.Promise != nil && p.replaces(id.Promise) && !n.hasLog():
		case stageOf(*id, n.hasLog()) != Fresh:
			return &RefusedError{"NOT_FRESH", fmt.Sprintf("node %s is not fresh: %s of cluster %s", id.NodeID, stageOf(*id, n.hasLog()), id.cluster()),
				"if that cluster never came to be, empty the data dirs of all nodes and start again"}
		}
		id.Promise = &p
		return nil
	}))
}

// chooseFounders returns the promise that this node should propose, nil if it
// should not: too few are there, or another one has the lowest id. q is what it
// has promised so far.
func (n *Node) chooseFounders(sights []Sighting, q *Promise) *Promise {
	self := n.Sight()
	all := []Founder{{self.NodeID, self.DiskID, self.Addr, n.cfg.Level}}
	for _, s := range sights {
		ours := s.Stage == Fresh || s.Stage == Promised && q != nil && s.ClusterID == q.Cluster
		if ours && s.Expect == n.cfg.BootstrapExpect {
			all = append(all, Founder{s.NodeID, s.DiskID, s.Addr, s.Level})
		}
	}
	if len(all) < n.cfg.BootstrapExpect {
		return nil
	}
	slices.SortFunc(all, func(a, b Founder) int { return strings.Compare(a.ID, b.ID) })
	p := &Promise{Cluster: newUUID(), Ballot: 1, Founders: slices.Clone(all[:n.cfg.BootstrapExpect])}
	if q != nil {
		p.Cluster, p.Ballot = q.Cluster, q.Ballot+1
	}
	if p.Founders[0].ID != self.NodeID || p.check(n.cfg.BootstrapExpect) != nil {
		return nil
	}
	return p
}

// foundTogether is one step of a node that is fresh, or has proposed a founding
// that is not done.
func (n *Node) foundTogether(ctx context.Context, sights []Sighting) error {
	if len(sights)+1 > 2*n.cfg.BootstrapExpect-1 {
		return fmt.Errorf("%d nodes are there to found a cluster of %d: at most %d, or two clusters could come of it; "+
			"give fewer addresses to --join, or a larger --bootstrap-expect", len(sights)+1, n.cfg.BootstrapExpect, 2*n.cfg.BootstrapExpect-1)
	}
	q := n.disk.self.get().Promise
	if q != nil {
		err := n.collectPromises(ctx, *q)
		if err == nil {
			return n.bootstrap(*q)
		}
		n.log.Info("not all founders have promised yet", "err", err)
	}
	p := n.chooseFounders(sights, q)
	switch {
	case p != nil && (q == nil || !slices.Equal(p.Founders, q.Founders)):
		n.log.Info("propose to found a cluster", "cluster", p.Cluster, "founders", p.Founders)
		return (&Service{n}).Promise(ctx, *p)
	case q != nil && slices.ContainsFunc(sights, func(s Sighting) bool { return s.Proposer != "" && s.Proposer < n.cfg.NodeID }):
		return n.withdraw(q)
	}
	return nil
}

// proposes reports whether this node proposed what it has promised.
func (id *identity) proposes() bool {
	return id.Promise != nil && id.Promise.Founders[0].Disk == id.DiskID
}

// mayWithdraw reports whether this node may break its promise: nobody else can
// have founded that cluster, and it has not.
func (n *Node) mayWithdraw(id *identity) bool { return id.proposes() && !n.hasLog() }

// withdraw takes back what this node has proposed, so that another proposer,
// which some of the founders have promised, gets on.
func (n *Node) withdraw(q *Promise) error {
	n.log.Info("another node founds the cluster", "withdrawn", q.Cluster)
	return n.noteIdentity(n.disk.self.change(func(id *identity) error {
		if n.mayWithdraw(id) {
			id.Promise = nil
		}
		return nil
	}))
}

// checkProposer frees this node of its promise if the proposer has withdrawn
// it: asked after this node has promised, it says that it is of no cluster, or
// of another one. It will never found this one then.
func (n *Node) checkProposer(ctx context.Context, p *Promise) error {
	proposer := p.Founders[0]
	s, err := n.cfg.Peers.Peer(proposer.Addr).Sight(ctx)
	switch {
	case err != nil || s.DiskID == proposer.Disk && s.ClusterID == p.Cluster:
		return nil
	case s.DiskID != proposer.Disk:
		return fmt.Errorf("the founding of cluster %s waits for node %s, at whose address %s another disk answers; "+
			"if it is gone for good, empty the data dir of this node and start it again", p.Cluster, proposer.ID, proposer.Addr)
	}
	n.log.Info("the founding that this node has promised was withdrawn", "cluster", p.Cluster, "by", proposer.ID)
	return n.noteIdentity(n.disk.self.change(func(id *identity) error {
		if id.Promise == p && !id.Fulfilled && !n.hasLog() {
			id.Promise = nil
		}
		return nil
	}))
}

// collectPromises returns nil if every founder has promised p.
func (n *Node) collectPromises(ctx context.Context, p Promise) error {
	errs := make([]error, len(p.Founders))
	var wg sync.WaitGroup
	for i, f := range p.Founders[1:] {
		wg.Go(func() {
			if err := n.cfg.Peers.Peer(f.Addr).Promise(ctx, p); err != nil {
				errs[i] = fmt.Errorf("founder %s at %s: %w", f.ID, f.Addr, err)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// bootstrap writes the first entry of the log. Everybody has promised, so from
// here on the cluster exists.
func (n *Node) bootstrap(p Promise) error {
	var c raft.Configuration
	for _, f := range p.Founders {
		c.Servers = append(c.Servers, raft.Server{ID: raft.ServerID(f.ID), Address: raft.ServerAddress(f.Addr)})
	}
	if err := n.raft.BootstrapCluster(c).Error(); err != nil {
		return fmt.Errorf("found cluster: %w", err)
	}
	n.transport.campaign()
	return nil
}

// recordFounders makes the founders' records, if this node is one and they are
// not there yet: from then on their disks are known.
func (n *Node) recordFounders() error {
	id := n.disk.self.get()
	cluster, _ := n.store.Cluster()
	if id.Promise == nil || id.Promise.Cluster != cluster || n.ownRecord(levelKey) != nil {
		return nil
	}
	e := edit{node: n}
	level := n.cfg.Level
	for _, f := range id.Promise.Founders {
		e.set(memberKey+f.ID, (&record{Disk: f.Disk, Addr: f.Addr, Voter: true, Level: f.Level}).value())
		level = min(level, f.Level)
	}
	e.set(levelKey, fmt.Append(nil, level))
	return e.commit()
}
