package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	enrolPace    = 500 * time.Millisecond // between steps while something is left to do
	enrolTimeout = 5 * time.Second        // of one step
	lostAfter    = 5 * time.Second        // without a leader for so long, a member asks whether it still is one
)

// enrol runs until the node stops and makes it a member: it looks for a cluster
// to join or for others to found one with, and tells the leader what this node
// is until the configuration says so, too.
func (n *Node) enrol() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var trouble enrolTrouble
	for {
		select {
		case <-timer.C:
		case <-n.invited.wake():
		case <-n.failed:
			return
		case <-n.stop:
			return
		}
		done, err := n.enrolStep()
		trouble.tell(n.log, n.stage(), err)
		timer.Reset(n.enrolPause(done && err == nil))
	}
}

// enrolTrouble is what keeps a node from being a member, or its leader from
// knowing it as it is.
type enrolTrouble struct {
	since time.Time // zero = none
	said  string    // the last problem, to be told once
}

// tell logs err, if it has not been told. A member may be without a leader for a
// while: that is how it starts.
func (e *enrolTrouble) tell(log *slog.Logger, stage Stage, err error) {
	switch {
	case err == nil:
		*e = enrolTrouble{}
		return
	case e.since.IsZero():
		e.since = time.Now()
	}
	switch {
	case err.Error() == e.said:
	case stage != InCluster:
		e.said = err.Error()
		log.Warn("not a member yet", "stage", stage, "err", err)
	case time.Since(e.since) >= lostAfter:
		e.said = err.Error()
		log.Warn("this member gets no answer from a leader", "since", time.Since(e.since).Round(time.Second), "err", err)
	}
}

func (n *Node) enrolPause(done bool) time.Duration {
	pace := enrolPace
	if done {
		pace = lostAfter
	}
	return pace/2 + rand.N(pace)
}

func (n *Node) enrolStep() (done bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), enrolTimeout)
	defer cancel()
	n.endWithNode(ctx, cancel)
	id := n.disk.self.get()
	switch stage := n.stage(); {
	case stage == Fresh, n.mayWithdraw(&id):
		return false, n.lookAround(ctx)
	case stage == Promised && !id.Fulfilled && !id.proposes():
		if err := n.checkProposer(ctx, id.Promise); err != nil {
			return false, err
		}
	case n.announced.Load() && n.LastContact() < lostAfter:
		return true, nil
	}
	return n.announce(ctx)
}

// endWithNode makes the node's stop cancel ctx, which ends soon anyway.
func (n *Node) endWithNode(ctx context.Context, cancel context.CancelFunc) {
	n.loops.Go(func() {
		select {
		case <-n.stop:
			cancel()
		case <-ctx.Done():
		}
	})
}

// lookAround is one step of a node that is of no cluster.
func (n *Node) lookAround(ctx context.Context) error {
	sights, err := n.discover(ctx)
	clusters := map[string]Sighting{}
	for _, s := range sights {
		if s.Stage == InCluster && s.ClusterID != "" && (clusters[s.ClusterID].Leader == "") {
			clusters[s.ClusterID] = s
		}
	}
	switch {
	case len(clusters) > 1:
		return fmt.Errorf("the addresses to join lead to %d different clusters", len(clusters))
	case len(clusters) == 1:
		for _, s := range clusters {
			return n.askToJoin(ctx, s)
		}
	case n.cfg.BootstrapExpect > 0:
		return errors.Join(n.foundTogether(ctx, sights), err)
	}
	if err == nil {
		err = fmt.Errorf("%d nodes found, none of which is in a cluster", len(sights))
	}
	return err
}

// askToJoin asks s's cluster to accept this node, and notes that it has.
func (n *Node) askToJoin(ctx context.Context, s Sighting) error {
	if s.Leader == "" {
		return fmt.Errorf("node %s is in cluster %s, but knows no leader", s.NodeID, s.ClusterID)
	}
	r := n.joinRequest()
	r.Cluster = ""
	reply, err := n.cfg.Peers.Peer(s.Leader).Join(ctx, r)
	if err != nil {
		return fmt.Errorf("join cluster %s: %w", s.ClusterID, err)
	}
	if reply.Cluster != s.ClusterID {
		return fmt.Errorf("join cluster %s: its leader is of cluster %s", s.ClusterID, reply.Cluster)
	}
	return n.noteIdentity(n.disk.self.change(func(id *identity) error {
		if stage := stageOf(*id, n.hasLog()); stage != Fresh && !n.mayWithdraw(id) {
			return fmt.Errorf("join cluster %s: the node has become %s meanwhile", reply.Cluster, stage)
		}
		id.Promise, id.Joining, id.Generation = nil, reply.Cluster, reply.Generation
		return nil
	}))
}

// joinRequest says what this node is.
func (n *Node) joinRequest() JoinRequest {
	id := n.disk.self.get()
	return JoinRequest{
		ID: id.NodeID, Disk: id.DiskID, Addr: n.addr(), ClientAddr: n.cfg.ClientAddr, Voter: !n.cfg.Nonvoter,
		Level: n.cfg.Level, Cluster: id.cluster(), Generation: id.Generation,
		Ready: n.Ready(), Revision: n.store.Revision(),
	}
}

// announce tells the leader what this node is, and reports whether nothing is
// left to do.
func (n *Node) announce(ctx context.Context) (done bool, err error) {
	r := n.joinRequest()
	if r.Cluster == "" { // the log of the only member, which has not told its cluster yet
		return false, nil
	}
	reply, err := n.joinAt(ctx, r)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Reason == "REMOVED" {
		n.fail(fmt.Errorf("%w; %s", ErrRemoved, refused.Fix))
	}
	if err != nil {
		return false, fmt.Errorf("announce this node to cluster %s: %w", r.Cluster, err)
	}
	if err := n.fulfil(reply); err != nil {
		return false, err
	}
	n.announced.Store(reply.Done)
	return reply.Done, nil
}

// fulfil notes that the cluster that this node promised to found is there.
func (n *Node) fulfil(reply Joined) error {
	return n.noteIdentity(n.disk.self.change(func(id *identity) error {
		switch {
		case stageOf(*id, n.hasLog()) != Promised || id.Fulfilled:
		case reply.Known:
			id.Fulfilled = true
		default: // it was founded without this node in the end
			id.Joining = reply.Cluster
		}
		return nil
	}))
}

// joinAt sends r to the leader: the one that this node knows, or one that other
// nodes of the cluster know.
func (n *Node) joinAt(ctx context.Context, r JoinRequest) (Joined, error) {
	switch to := n.route(); {
	case to.local:
		return (&Service{n}).Join(ctx, r)
	case to.addr != "":
		return n.cfg.Peers.Peer(to.addr).Join(ctx, r)
	}
	sights, err := n.discover(ctx)
	for _, s := range sights {
		if s.ClusterID == r.Cluster && s.Leader != "" && s.Leader != r.Addr {
			return n.cfg.Peers.Peer(s.Leader).Join(ctx, r)
		}
	}
	return Joined{}, errors.Join(fmt.Errorf("%w: none of %d nodes found knows one", ErrNotLeader, len(sights)), err)
}

// vetJoin ends the node if the addresses that it was told to join lead to another
// cluster than the one that it is part of: who gave them meant a node that is
// still of no cluster. It looks until the first of them answers, and returns.
func (n *Node) vetJoin() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-n.failed:
			return
		case <-n.stop:
			return
		}
		done, err := n.vetJoinOnce()
		if err != nil {
			n.fail(err)
		}
		if done {
			return
		}
		timer.Reset(n.enrolPause(n.Ready()))
	}
}

func (n *Node) vetJoinOnce() (done bool, err error) {
	id := n.disk.self.get()
	own := id.cluster()
	if stage := n.stage(); stage == Fresh || stage == Promised || own == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), enrolTimeout)
	defer cancel()
	n.endWithNode(ctx, cancel)
	sights, _ := n.sightings(ctx, n.cfg.Join, nil)
	for _, s := range sights {
		switch {
		case s.Stage != InCluster || s.ClusterID == "":
		case s.ClusterID == own:
			done = true
		default:
			return true, fmt.Errorf("%w: node %s is in cluster %s, and the addresses to join lead to cluster %s (node %s at %s); "+
				"give it the addresses of its own cluster, or an empty data dir to join the other one", ErrOtherCluster, id.NodeID, own, s.ClusterID, s.NodeID, s.Addr)
		}
	}
	return done, nil
}

// discover asks all nodes whose addresses this one has been given or knows who
// they are; see sightings.
func (n *Node) discover(ctx context.Context) ([]Sighting, error) {
	return n.sightings(ctx, n.cfg.Join, n.knownAddrs())
}

// sightings asks the nodes at addresses for clients, and at node ports, who they
// are. Each node is there once, this one is not. The error says which addresses
// for clients led nowhere.
func (n *Node) sightings(ctx context.Context, clients, ports []string) ([]Sighting, error) {
	var mu sync.Mutex
	var all []Sighting
	var errs []error
	add := func(s []Sighting, err error) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, s...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	var wg sync.WaitGroup
	for _, addr := range clients {
		wg.Go(func() { add(n.cfg.Discovery.Discover(ctx, addr)) })
	}
	for _, addr := range ports {
		wg.Go(func() {
			if s, err := n.cfg.Peers.Peer(addr).Sight(ctx); err == nil {
				add([]Sighting{s}, nil)
			}
		})
	}
	wg.Wait()
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) }) // the same trouble, the same words
	slices.SortFunc(all, func(a, b Sighting) int { return strings.Compare(a.DiskID, b.DiskID) })
	all = slices.CompactFunc(all, func(a, b Sighting) bool { return a.DiskID == b.DiskID })
	self := n.disk.self.get()
	all = slices.DeleteFunc(all, func(s Sighting) bool { return s.DiskID == self.DiskID })
	for _, s := range all {
		if s.NodeID == self.NodeID {
			errs = append(errs, fmt.Errorf("another node calls itself %s, at %s", s.NodeID, s.Addr))
		}
	}
	return all, errors.Join(errs...)
}

// knownAddrs lists other nodes' ports: those of members and founders, and
// those that this node was invited to.
func (n *Node) knownAddrs() []string {
	addrs := n.invited.all()
	for _, m := range n.members() {
		addrs = append(addrs, string(m.Address))
	}
	if p := n.disk.self.get().Promise; p != nil {
		for _, f := range p.Founders {
			addrs = append(addrs, f.Addr)
		}
	}
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	return slices.DeleteFunc(addrs, func(a string) bool { return a == n.addr() })
}

// invitations are node ports of clusters that want this node.
type invitations struct {
	mu    sync.Mutex
	addrs []string      // guarded by mu
	woken chan struct{} // guarded by mu; capacity 1
}

// maxInvitations bounds what others can make this node remember.
const maxInvitations = 16

func (i *invitations) wake() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.channel()
}

func (i *invitations) channel() chan struct{} {
	if i.woken == nil {
		i.woken = make(chan struct{}, 1)
	}
	return i.woken
}

func (i *invitations) all() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.addrs)
}

// add remembers addr, and wakes enrol.
func (i *invitations) add(addr string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Contains(i.addrs, addr) && len(i.addrs) < maxInvitations {
		i.addrs = append(i.addrs, addr)
	}
	select {
	case i.channel() <- struct{}{}:
	default:
	}
}

// Invite makes this node look at the member at addr when it looks for a cluster.
func (s *Service) Invite(_ context.Context, addr string) error {
	if stage := s.node.stage(); stage != Fresh {
		return &RefusedError{"NOT_FRESH", fmt.Sprintf("node %s is not fresh: %s", s.node.cfg.NodeID, stage), "start a node with an empty data dir and --join; without --join it founds a cluster of its own"}
	}
	s.node.invited.add(addr)
	return nil
}
