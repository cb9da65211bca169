package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// pipeline goes on taking answers from the one inside when raft has stopped
// looking at them. Raft stops at the first bad answer, while its sender may wait
// for room that only the taking of answers makes; the follower would then get
// nothing more until another leader comes (hashicorp/raft v1.7.3, replication.go).
type pipeline struct {
	raft.AppendPipeline
	answers chan raft.AppendFuture
	closed  chan struct{}
	once    sync.Once
}

func newPipeline(inner raft.AppendPipeline) *pipeline {
	p := &pipeline{AppendPipeline: inner, answers: make(chan raft.AppendFuture), closed: make(chan struct{})}
	go p.pass()
	return p
}

// pass ends with Close.
func (p *pipeline) pass() {
	for good := true; ; {
		select {
		case f := <-p.AppendPipeline.Consumer():
			if !good {
				continue
			}
			select {
			case p.answers <- f:
			case <-p.closed:
				return
			}
			good = f.Response().Success && f.Response().Term <= f.Request().Term
		case <-p.closed:
			return
		}
	}
}

// Consumer is raft's.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.answers }

// Close ends the pipeline; raft always calls it.
func (p *pipeline) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.AppendPipeline.Close()
}
