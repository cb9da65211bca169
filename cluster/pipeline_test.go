package cluster

import (
	"io"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// A follower that refuses some entries, as with a full disk, gets others later:
// the sender must not wait for ever behind answers that nobody looks at.
func TestPipeline_GoesOnBehindABadAnswer(t *testing.T) {
	dial := func() *raft.NetworkTransport {
		tr, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, time.Minute, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tr.Close() })
		return tr
	}
	leader, follower := dial(), dial()
	go func() {
		for rpc := range follower.Consumer() { // until the process ends
			rpc.Respond(&raft.AppendEntriesResponse{}, nil)
		}
	}()
	p, err := (&transport{Transport: leader}).AppendEntriesPipeline("f", follower.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	sent := make(chan error)
	go func() {
		var err error
		for range 10 {
			if err == nil {
				_, err = p.AppendEntries(&raft.AppendEntriesRequest{Term: 1}, new(raft.AppendEntriesResponse))
			}
		}
		sent <- err
	}()
	if f := <-p.Consumer(); f.Response().Success {
		t.Error("the refusal is lost")
	}
	select {
	case err := <-sent:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the sender is stuck")
	}
}
