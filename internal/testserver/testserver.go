// Package testserver runs a node in the test's process, with any number of
// servers in front of it.
package testserver

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
)

// A Node is a cluster of one.
type Node struct {
	service *authz.Service
	t       testing.TB
}

// Open starts a node that ends with the test.
func Open(t testing.TB) *Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	node, err := cluster.Open(ctx, cluster.Config{DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.Close)
	return &Node{authz.New(node, checker, authz.Options{}), t}
}

// WriteSchema gives the default tenant a schema.
func (n *Node) WriteSchema(schema string) {
	n.t.Helper()
	if _, _, err := n.service.WriteSchema(n.t.Context(), authz.Caller{Name: "test"}, authz.WriteSchemaRequest{Source: schema}); err != nil {
		n.t.Fatal(err)
	}
}

// Config is what differs between servers. The zero value is a server for all.
type Config struct {
	Keys      func(key string) (name string, ok bool) // nil = open
	Heartbeat time.Duration                           // of watches
}

// A Server is a front door of a node at an address of its own.
type Server struct {
	Addr string

	native *native.Server
	kill   sync.Once
	served chan struct{}
}

// Serve starts a server on a free port of loopback, which ends with the test.
func (n *Node) Serve(c Config) *Server {
	n.t.Helper()
	return n.ServeOn("127.0.0.1:0", c)
}

// ServeOn is Serve at an address.
func (n *Node) ServeOn(addr string, c Config) *Server {
	n.t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		n.t.Fatal(err)
	}
	server := native.New(native.Config{
		Service: n.service, Keys: c.Keys, Heartbeat: c.Heartbeat, Log: slog.New(slog.DiscardHandler),
	})
	s := &Server{Addr: listener.Addr().String(), native: server, served: make(chan struct{})}
	go func() {
		defer close(s.served)
		_ = s.native.Serve(listener)
	}()
	s.native.SetReady(true)
	n.t.Cleanup(s.Kill)
	return s
}

// Kill cuts all connections and frees the port, as the end of a process does.
func (s *Server) Kill() {
	s.kill.Do(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.native.Shutdown(ended)
		<-s.served
	})
}

// SetReady sets the server's health.
func (s *Server) SetReady(ready bool) { s.native.SetReady(ready) }
