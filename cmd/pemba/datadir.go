package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/pemba-authz/pemba/cluster"
)

// nodeFiles are what a data directory may hold before it is a node's: what a start
// that was cut short leaves behind, and what is found at the root of a disk.
// Data without an owner is the node's to judge.
var nodeFiles = []string{"LOCK", "node.json.tmp", "raft.db", "snapshots", "lost+found"}

// checkDataDir refuses a directory that holds other things than a node's data:
// it was probably named by mistake, and a node's files would be mixed with them.
func checkDataDir(dir string) error {
	if dir == "" {
		return errors.New("--data-dir names the directory of the node's data, as /var/lib/pemba")
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--data-dir %s: %w", dir, rootCause(err))
	}
	other := ""
	for _, e := range entries {
		switch {
		case e.Name() == "node.json":
			return nil
		case other == "" && !slices.Contains(nodeFiles, e.Name()):
			other = e.Name()
		}
	}
	if other != "" {
		return fmt.Errorf("--data-dir %s is not a node's, but holds other things, such as %s; name a directory that is empty or not there yet", dir, other)
	}
	return nil
}

// openError says why the node of a data directory does not start.
func (o *serveOptions) openError(err error) error {
	var socket *net.OpError
	switch {
	case errors.As(err, &socket) && socket.Op == "listen":
		return fmt.Errorf("--raft-addr: listen on %s: %w", o.raftAddr, rootCause(err))
	case errors.Is(err, cluster.ErrForeignDir):
		return fmt.Errorf("open %s: %w; --node-id and --data-dir of a node go together for ever", o.dataDir, err)
	case errors.Is(err, cluster.ErrLocked):
		return fmt.Errorf("open %s: %w; each node has a directory of its own", o.dataDir, cluster.ErrLocked)
	}
	return fmt.Errorf("open %s: %w", o.dataDir, err)
}
