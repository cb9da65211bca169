package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
)

// errNodeFailed ends a server whose node can no longer go on.
var errNodeFailed = errors.New("the node has failed and is stopping; acknowledged writes are safe on its disk")

// serve runs a node until ctx ends or the node fails.
func (a *app) serve(ctx context.Context, o *serveOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: o.logLevel}))
	tuneCollector()
	// A second server started by mistake fails at once. The address is not kept:
	// while the node starts, nobody would answer there, and clients are better
	// told so.
	probe, err := o.listen()
	if err != nil {
		return err
	}
	probe.Close()
	node, err := openNode(ctx, cluster.Config{
		NodeID: o.nodeID, DataDir: o.dataDir, HorizonWindow: o.horizon, Logger: log,
	})
	if err != nil {
		return fmt.Errorf("open %s: %w", o.dataDir, err)
	}
	return a.serveNode(ctx, o, log, node)
}

func (o *serveOptions) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", o.grpcAddr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.grpcAddr, rootCause(err))
	}
	return listener, nil
}

// openNode is cluster.Open, but returns as soon as ctx ends. What is left
// behind then may end with the process at any time, as after a kill.
func openNode(ctx context.Context, c cluster.Config) (*cluster.Node, error) {
	type result struct {
		node *cluster.Node
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		node, err := cluster.Open(ctx, c)
		opened <- result{node, err}
	}()
	select {
	case r := <-opened:
		return r.node, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// serveNode serves node until ctx ends (nil), the node fails or the listener
// breaks. It closes the node, unless that has failed: then the process must end
// at once.
func (a *app) serveNode(ctx context.Context, o *serveOptions, log *slog.Logger, node *cluster.Node) (err error) {
	defer func() {
		if errors.Is(err, errNodeFailed) {
			return
		}
		if closeErr := node.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close %s: %w", o.dataDir, closeErr)
		}
	}()
	checker, err := check.New(check.Options{MaxCost: o.cacheCost()})
	if err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	defer checker.Close()
	server := native.New(native.Config{
		Service: authz.New(node, checker, authz.Options{}), Version: versionText(), Log: log,
	})
	return a.run(ctx, o, log, server, node)
}

// run is serveNode with the server made. Requests may finish, except on a node
// that has failed: a late write may still land.
func (a *app) run(ctx context.Context, o *serveOptions, log *slog.Logger, server *native.Server, node *cluster.Node) error {
	listener, err := o.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	server.SetReady(true)
	addr := listener.Addr().String()
	if o.addrFile != "" {
		if err := replaceFile(o.addrFile, addr+"\n"); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.out, "pemba serves gRPC on %s, data in %s\n", addr, o.dataDir)
	select {
	case <-ctx.Done():
	case <-node.Failed():
		return fmt.Errorf("%w: %w", errNodeFailed, node.Err())
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", addr, err)
	}
	// Not ctx, which has ended: what is under way may finish.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.drain)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- server.Shutdown(drain) }()
	select {
	case <-node.Failed():
		return fmt.Errorf("%w: %w", errNodeFailed, node.Err())
	case err := <-drained:
		if err != nil {
			log.Warn("requests were cut", "after", o.drain)
		}
	}
	return nil
}

// cacheCost is the checker's setting for --cache-size.
func (o *serveOptions) cacheCost() int64 {
	if o.cacheSize == 0 {
		return -1
	}
	return int64(o.cacheSize)
}

// replaceFile writes a file in one step: a reader sees all of it or nothing.
func replaceFile(name, text string) error {
	temp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, rootCause(err))
	}
	_, err = temp.WriteString(text)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		os.Remove(temp.Name())
		return fmt.Errorf("write %s: %w", name, rootCause(err))
	}
	return nil
}

// rootCause strips the operation and address that the caller names itself.
func rootCause(err error) error {
	var op *net.OpError
	var sys *os.SyscallError
	var path *os.PathError
	switch {
	case errors.As(err, &sys):
		return sys.Err
	case errors.As(err, &op):
		return op.Err
	case errors.As(err, &path):
		return path.Err
	}
	return err
}
