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
var errNodeFailed = errors.New("the node stops, because it cannot go on")

// serve runs a node until ctx ends or the node fails.
func (a *app) serve(ctx context.Context, o *serveOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	if err := checkDataDir(o.dataDir); err != nil {
		return err
	}
	if err := o.layerOptions.loadKeys(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: o.logLevel}))
	tuneCollector()
	rim, err := o.openRim(ctx, log)
	if err != nil {
		return err
	}
	defer rim.close()
	// A second server started by mistake fails at once.
	listener, err := o.listen()
	if err != nil {
		return err
	}
	c := cluster.Config{NodeID: o.nodeID, DataDir: o.dataDir, HorizonWindow: o.horizon, Version: versionText(), Logger: log}
	certificates, err := o.configure(&c, log, listener.Addr().String(), rim.access)
	if err != nil {
		listener.Close()
		return err
	}
	rim.follow(certificates)
	start := cluster.Start
	if o.raftAddr == "" {
		// Nobody has to find a node that is alone before it is ready: until then,
		// clients are better told that nobody answers.
		listener.Close()
		listener, start = nil, func(c cluster.Config) (*cluster.Node, error) { return cluster.Open(ctx, c) }
	}
	node, err := openNode(ctx, c, start)
	if err != nil {
		if listener != nil {
			listener.Close()
		}
		return o.openError(err)
	}
	return a.serveNode(ctx, o, log, node, rim, listener)
}

func (o *serveOptions) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", o.grpcAddr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.grpcAddr, rootCause(err))
	}
	return listener, nil
}

// openNode is start, but returns as soon as ctx ends. What is left behind then
// may end with the process at any time, as after a kill.
func openNode(ctx context.Context, c cluster.Config, start func(cluster.Config) (*cluster.Node, error)) (*cluster.Node, error) {
	type result struct {
		node *cluster.Node
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		node, err := start(c)
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
// at once. A nil listener is made once the node is ready.
func (a *app) serveNode(ctx context.Context, o *serveOptions, log *slog.Logger, node *cluster.Node, rim *rim, listener net.Listener) (err error) {
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
	service := authz.New(node, checker, authz.Options{Part: rim.part(node)})
	if listener == nil {
		if listener, err = o.listen(); err != nil {
			return err
		}
	}
	defer listener.Close()
	layer := o.layerOptions.openLayer(service, log)
	defer func() {
		if !errors.Is(err, errNodeFailed) {
			layer.stop()
		}
	}()
	more := layer.mount(o.reachable(listener.Addr().String()), log)
	server := native.New(rim.guard(native.Config{Service: service, Version: versionText(), Log: log, More: more}))
	rim.observe(&measured{meter: rim.meter, server: server, service: service, checker: checker, store: node.Store(), tls: rim.access.tls, nodeTLS: rim.nodeTLS})
	return a.run(ctx, o, log, server, node, layer, listener)
}

// run is serveNode with the server made. Requests may finish, except on a node
// that has failed: a late write may still land.
func (a *app) run(ctx context.Context, o *serveOptions, log *slog.Logger, server *native.Server, node *cluster.Node, layer *layer, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	addr := listener.Addr().String()
	if err := node.AwaitReady(ctx); err != nil && node.Err() == nil && ctx.Err() == nil {
		return err
	}
	if node.Ready() {
		if err := layer.start(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if o.addrFile != "" {
			if err := replaceFile(o.addrFile, addr+"\n"); err != nil {
				return err
			}
		}
		fmt.Fprintf(a.out, "pemba serves gRPC on %s, data in %s\n", addr, o.dataDir)
	}
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
