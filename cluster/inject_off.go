//go:build !faults

package cluster

import "github.com/hashicorp/raft"

// The seams of package faulty. Without the build tag they are nothing.

func injected(c Config) Config { return c }

func injectedTransport(t *raft.NetworkTransport) raft.Transport { return t }

func (n *Node) moveHorizonHere(uint64) {}
