package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"github.com/pemba-authz/pemba/api/node"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/tuple"
)

// heldLog is a log whose writes wait while it is held: its node lags.
type heldLog struct {
	raft.LogStore
	gate *sync.RWMutex // held for writing = the log is held
}

func (l heldLog) StoreLogs(logs []*raft.Log) error {
	l.gate.RLock()
	defer l.gate.RUnlock()
	return l.LogStore.StoreLogs(logs)
}

func (l heldLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// trio is three nodes of one process that find each other by their names.
type trio struct {
	mu    sync.Mutex
	nodes map[string]*cluster.Node // guarded by mu
	gates map[string]*sync.RWMutex
}

func (t *trio) Discover(_ context.Context, name string) ([]cluster.Sighting, error) {
	t.mu.Lock()
	n := t.nodes[name]
	t.mu.Unlock()
	if n == nil {
		return nil, errors.New("not there yet")
	}
	return []cluster.Sighting{n.Sight()}, nil
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	names := []string{"n1", "n2", "n3"}
	c := &trio{nodes: map[string]*cluster.Node{}, gates: map[string]*sync.RWMutex{}}
	for _, name := range names {
		gate := &sync.RWMutex{}
		c.gates[name] = gate
		n, err := cluster.Start(cluster.Config{
			NodeID: name, DataDir: t.TempDir(), RaftAddr: "127.0.0.1:0", MinFreeDisk: -1, Logger: slog.New(slog.DiscardHandler),
			ClientAddr: name, Join: names, BootstrapExpect: len(names), Peers: node.New(slog.New(slog.DiscardHandler)), Discovery: c,
			WriteDeadline: time.Minute, WrapLog: func(l raft.LogStore) raft.LogStore { return heldLog{l, gate} },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		c.mu.Lock()
		c.nodes[name] = n
		c.mu.Unlock()
	}
	for _, n := range c.nodes {
		if err := n.AwaitReady(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// pick returns who leads, and the name of somebody who does not.
func (c *trio) pick(t *testing.T) (leader *cluster.Node, other string) {
	t.Helper()
	for ctx := soon(t); ctx.Err() == nil; {
		for name, n := range c.nodes {
			if n.Status().State == "Leader" {
				leader = n
			} else {
				other = name
			}
		}
		if leader != nil {
			return leader, other
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatal("no leader")
	return nil, ""
}

// sameState checks that all nodes come to hold the same.
func (c *trio) sameState(t *testing.T) {
	t.Helper()
	var states []string
	for ctx := soon(t); ctx.Err() == nil; <-time.After(20 * time.Millisecond) {
		states = nil
		for _, n := range c.nodes {
			at, sum := n.Store().Hash()
			states = append(states, fmt.Sprintf("%d %x", at, sum))
		}
		if len(slices.Compact(states)) == 1 {
			return
		}
	}
	t.Errorf("states differ: %s", states)
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// serviceOn is the service on n; asked closes when it first asks how far the
// cluster is, or sends a write.
func serviceOn(t *testing.T, n *cluster.Node) (s *authz.Service, asked chan struct{}) {
	t.Helper()
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.Close)
	asked = make(chan struct{})
	tell := sync.OnceFunc(func() { close(asked) })
	return authz.New(n, checker, authz.Options{Part: func(ctx context.Context, _ string) (context.Context, func(error)) {
		tell()
		return ctx, func(error) {}
	}}), asked
}

// TestRetry_ThroughANodeThatLags: a write that was acknowledged is repeated under
// its request id through a member that has not heard of it, nor of the schemas
// since. It must neither happen twice nor be told to be invalid.
func TestRetry_ThroughANodeThatLags(t *testing.T) {
	const (
		bare = "definition user {}\ndefinition doc { relation viewer: user }"
		wide = "definition user {}\ndefinition doc { relation viewer: user\n relation editor: user }"
	)
	c := newTrio(t)
	by := authz.Caller{Name: "ann"}
	for name, schemas := range map[string][3]string{ // before, at the first try, after
		"the node knows only a schema that forbids the write": {bare, wide, wide},
		"the schema in force forbids the write":               {wide, wide, bare},
		"the schema allows it all along":                      {wide, wide, wide},
	} {
		t.Run(name, func(t *testing.T) {
			leader, lagging := c.pick(t)
			here, _ := serviceOn(t, leader)
			there, asked := serviceOn(t, c.nodes[lagging])
			schema := func(source string) {
				t.Helper()
				if _, _, err := here.WriteSchema(soon(t), by, authz.WriteSchemaRequest{Source: source}); err != nil {
					t.Fatal(err)
				}
			}
			edit := func(op authz.Op, id string) authz.WriteRequest {
				tp, err := tuple.ParseTuple("doc:a#editor@user:ann")
				if err != nil {
					t.Fatal(err)
				}
				return authz.WriteRequest{RequestID: id, Updates: []authz.Update{{Op: op, Tuple: tp}}}
			}
			schema(schemas[0])
			if err := c.nodes[lagging].Wait(soon(t), leader.Store().Revision()); err != nil {
				t.Fatal(err)
			}
			c.gates[lagging].Lock()
			release := sync.OnceFunc(c.gates[lagging].Unlock)
			t.Cleanup(release)
			schema(schemas[1])
			try := edit(authz.Create, uuid.Must(uuid.NewV7()).String())
			token, err := here.Write(soon(t), by, try)
			if err == nil {
				_, err = here.Write(soon(t), by, edit(authz.Delete, ""))
			}
			if err != nil {
				t.Fatal(err)
			}
			schema(schemas[2])
			told := make(chan string, 1)
			go func() {
				again, err := there.Write(soon(t), by, try)
				if err != nil {
					again = err.Error()
				}
				told <- again
			}()
			<-asked
			release()
			if got := <-told; got != token {
				t.Errorf("the retry is told %s, the first try was told %s", got, token)
			}
			c.sameState(t)
			v, err := leader.Store().View(cluster.DefaultTenant, 0)
			if err != nil {
				t.Fatal(err)
			}
			for tp := range v.Tuples(tuple.Filter{Type: "doc"}) {
				t.Errorf("the retry has written %s", tp)
			}
		})
	}
}
