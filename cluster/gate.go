package cluster

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

var errStranger = errors.New("this node is of no cluster yet")

// admitMessage says why raft may not see a message of another member: what this
// node has not promised or lost may not be counted on. See Stage.
func (n *Node) admitMessage(rpc raft.RPC) error {
	id := n.disk.self.get()
	if err := n.admitStage(id, rpc); err != nil {
		return err
	}
	return n.admitEntries(rpc)
}

func (n *Node) admitStage(id identity, rpc raft.RPC) error {
	switch stageOf(id, n.hasLog()) {
	case Fresh:
		return errStranger
	case Promised:
		if id.Fulfilled {
			return nil
		}
		if from := sender(rpc); !id.Promise.has(from) {
			return fmt.Errorf("node %q does not found this cluster", from)
		}
	case Joining:
		switch rpc.Command.(type) {
		case *raft.RequestVoteRequest, *raft.RequestPreVoteRequest, *raft.TimeoutNowRequest:
			return errors.New("this node has not caught up with its cluster yet")
		}
	}
	return nil
}

// sender returns the id of the member that sent rpc.
func sender(rpc raft.RPC) string {
	if h, ok := rpc.Command.(raft.WithRPCHeader); ok {
		return string(h.GetRPCHeader().ID)
	}
	return ""
}
