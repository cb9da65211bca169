package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
)

// reconcilePace is how often a leader looks after the members.
const reconcilePace = time.Second

// minVoters is how many voters are kept whatever is dead: with fewer, one more
// loss stops the cluster.
const minVoters = 3

// reconcile runs until the node stops. As a leader it finishes removals that an
// earlier one began, removes members that are dead, raises the cluster's feature
// level, and makes room for another leader when its disk is full.
func (n *Node) reconcile() {
	tick := time.NewTicker(reconcilePace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.stop:
			return
		}
		if !n.IsLeader() {
			continue
		}
		if err := n.tidyMembers(); err != nil && !isLostOffice(err) {
			n.log.Warn("look after the members", "err", err)
		}
	}
}

func (n *Node) tidyMembers() error {
	ctx, cancel := context.WithTimeout(context.Background(), reconcilePace)
	defer cancel()
	if err := n.beginOffice(ctx); err != nil {
		return err
	}
	defer n.endOffice()
	if err := n.yieldFull(ctx); err != nil {
		return err
	}
	for _, m := range n.members() {
		r, _, err := n.memberRecord(string(m.ID))
		if err != nil {
			return err
		}
		switch {
		case string(m.ID) == n.cfg.NodeID:
		case r.Removed:
			return n.finishRemoval(m, r)
		case n.isDead(m):
			n.log.Warn("a member has been silent for long and is removed", "id", m.ID, "voter", m.Suffrage == raft.Voter)
			return n.remove(m, false)
		}
	}
	return n.raiseLevel()
}

// isDead reports whether m has been silent for so long that it is removed. A
// voter is kept where fewer than minVoters or no quorum would be left.
func (n *Node) isDead(m raft.Server) bool {
	after := n.cfg.DeadNonvoterAfter
	if m.Suffrage == raft.Voter {
		after = n.cfg.DeadVoterAfter
	}
	if after <= 0 || n.answers(m.ID, after) {
		return false
	}
	return m.Suffrage != raft.Voter || len(n.voters()) > minVoters && n.checkLoss(m, false) == nil
}

// clusterLevel returns the feature level that all members have: the log may
// hold what needs it, and nothing above.
func (n *Node) clusterLevel() int {
	level, err := strconv.Atoi(string(n.ownRecord(levelKey)))
	if err != nil {
		return 1
	}
	return level
}

// raiseLevel moves the cluster's level up once every member has said that it
// has a higher one.
func (n *Node) raiseLevel() error {
	level := n.cfg.Level
	for _, m := range n.members() {
		r, has, err := n.memberRecord(string(m.ID))
		if err != nil || !has {
			return err
		}
		level = min(level, r.Level)
	}
	if level <= n.clusterLevel() {
		return nil
	}
	n.log.Info("all members have a higher feature level", "level", level)
	e := edit{node: n}
	e.set(levelKey, fmt.Append(nil, level))
	return e.commit()
}
