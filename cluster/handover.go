package cluster

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// handover guards raft's transfer of leadership. One that times out while the
// heir lags may leave a message in a channel with room for one. Where raft then
// loses the office during a second transfer to the same heir in the same term,
// that one waits for ever for room, and its node refuses everything when it leads
// again, as if a transfer were under way (hashicorp/raft v1.7.3,
// leadershipTransfer). So there is one transfer at a time, to an heir that we
// name, and none to the same one in a term in which one has failed.
type handover struct {
	mu    sync.Mutex
	busy  bool                     // guarded by mu; a transfer is under way
	spent map[raft.ServerID]uint64 // guarded by mu; the term in which one failed, or a later one
}

func (h *handover) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy {
		return false
	}
	h.busy = true
	return true
}

func (h *handover) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = false
}

func (h *handover) isSpent(id raft.ServerID, term uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, is := h.spent[id]
	return is && at == term
}

// spend says that a transfer to id has failed, in term at the latest.
func (h *handover) spend(id raft.ServerID, term uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.spent == nil {
		h.spent = map[raft.ServerID]uint64{}
	}
	h.spent[id] = term
}

// handOver makes the voter to lead, "" = the one that lags least of those that
// answer, and returns once this node leads no more. Every transfer comes this
// way. It takes three election timeouts at most.
func (n *Node) handOver(to string) error {
	if !n.handover.begin() {
		return transferring()
	}
	defer n.handover.end()
	heir, err := n.heir(to)
	if err != nil {
		return err
	}
	err = n.transferTo(heir)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		return notProposed(fmt.Errorf("%w: %w", ErrNotLeader, err))
	case isTransferring(err):
		return transferring()
	case !leavesNothing(err):
		// The term is looked at afterwards: that of the transfer was no later.
		n.handover.spend(heir.ID, n.raft.CurrentTerm())
	}
	return unknownOutcome(fmt.Errorf("transfer leadership to node %s: %w", heir.ID, err))
}

// transferTo waits for raft to end the transfer before, which it does a moment
// after its future.
func (n *Node) transferTo(heir raft.Server) error {
	began := time.Now()
	for {
		err := n.raft.LeadershipTransferToServer(heir.ID, heir.Address).Error()
		if !isTransferring(err) || time.Since(began) > n.cfg.ElectionTimeout {
			return err
		}
		select {
		case <-time.After(transferPace):
		case <-n.stop:
			return err
		}
	}
}

func isTransferring(err error) bool {
	return errors.Is(err, raft.ErrLeadershipTransferInProgress) || errors.Is(err, raft.ErrEnqueueTimeout)
}

// leavesNothing reports whether err came of a transfer that had got past the
// point where raft leaves something behind. Of an error that is not known here,
// nothing is assumed.
func leavesNothing(err error) bool {
	return strings.Contains(err.Error(), "failed to make TimeoutNow RPC")
}

func transferring() error {
	return &RefusedError{"TRANSFERRING", "the leader is handing its office over already", "wait a second and look who leads"}
}

// heir returns who is to lead, or says why nobody can, as a *RefusedError.
func (n *Node) heir(to string) (raft.Server, error) {
	if to == "" {
		return n.nearestHeir()
	}
	m, ok := n.member(to)
	switch {
	case !ok:
		return m, unknownNode(to)
	case m.Suffrage != raft.Voter:
		return m, &RefusedError{"NOT_A_VOTER", fmt.Sprintf("node %s has no vote", to), "promote it first"}
	case !n.answers(m.ID, voterSilence*n.cfg.HeartbeatTimeout):
		return m, &RefusedError{"SILENT", fmt.Sprintf("node %s does not answer", to), "choose another one"}
	case n.isSpent(m):
		return m, &RefusedError{"HEIR_FAILED", fmt.Sprintf("node %s has failed to take over before", to),
			"choose another one, or restart the leader; after the next election it is possible again"}
	}
	return m, nil
}

// nearestHeir returns the voter that lags least of those that answer.
func (n *Node) nearestHeir() (raft.Server, error) {
	var best raft.Server
	if len(n.voters()) < 2 {
		return best, &RefusedError{"LAST_VOTER", fmt.Sprintf("node %s is the only voter", n.cfg.NodeID), "promote or add another node first"}
	}
	spent := false
	for _, m := range n.members() {
		switch {
		case m.Suffrage != raft.Voter, string(m.ID) == n.cfg.NodeID, !n.answers(m.ID, n.cfg.HeartbeatTimeout):
		case n.isSpent(m):
			spent = true
		case best.ID == "" || n.transport.reached.isNearer(m.ID, best.ID):
			best = m
		}
	}
	switch {
	case best.ID != "":
		return best, nil
	case spent:
		return best, &RefusedError{"HEIR_FAILED", "the voters that answer have failed to take over before",
			"look why they lag (pemba cluster status), or restart the leader; after the next election it is possible again"}
	}
	return best, &RefusedError{"SILENT", "no other voter answers", "bring one back first"}
}

// isSpent reports whether a transfer to m has failed in this term.
func (n *Node) isSpent(m raft.Server) bool { return n.handover.isSpent(m.ID, n.raft.CurrentTerm()) }
