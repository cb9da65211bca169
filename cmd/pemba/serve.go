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
func (a *app) serve(ctx context.Context, o *serveOptions) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: &o.logLevel}))
	tuneCollector()
	// The address is taken before the data, so that a second server started by
	// mistake fails at once.
	listener, err := net.Listen("tcp", o.grpcAddr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", o.grpcAddr, rootCause(err))
	}
	defer listener.Close()
	node, err := cluster.Open(ctx, cluster.Config{
		NodeID: o.nodeID, DataDir: o.dataDir, HorizonWindow: o.horizon, Logger: log,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("open %s: %w", o.dataDir, err)
	}
	defer func() {
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
	return a.run(ctx, o, log, server, node, listener)
}

// run serves until ctx ends (nil), the node fails or the listener breaks.
func (a *app) run(ctx context.Context, o *serveOptions, log *slog.Logger, server *native.Server, node *cluster.Node, listener net.Listener) error {
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
	var err error
	select {
	case <-ctx.Done():
	case <-node.Failed():
		err = fmt.Errorf("%w: %w", errNodeFailed, node.Err())
	case err = <-served:
		return fmt.Errorf("serve on %s: %w", addr, err)
	}
	// Not ctx, which has ended: what is under way may finish.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.drain)
	defer cancel()
	if server.Shutdown(drain) != nil {
		log.Warn("requests were cut", "after", o.drain)
	}
	return err
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
