package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// dataDir is the directory of one node, locked while open:
//
//	LOCK         flock, held by the running process
//	node.json    who the directory belongs to
//	raft.db      the Raft log, term and vote (bbolt)
//	snapshots/   Raft snapshots
type dataDir struct {
	path string
	lock *os.File
	id   identity // as it was when the dir was opened
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// openDir creates or locks the directory and checks that it is nodeID's.
func openDir(path, nodeID string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("open data dir: %w", err)
	}
	d := &dataDir{path: path}
	var err error
	if d.lock, err = lockFile(d.file("LOCK")); err != nil {
		return nil, fmt.Errorf("open data dir %s: %w", path, err)
	}
	if err := d.identify(nodeID); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *dataDir) close() error { return d.lock.Close() }

// identify reads node.json, or writes it into a fresh directory.
func (d *dataDir) identify(nodeID string) error {
	name := d.file("node.json")
	text, err := d.Load()
	if err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	if text == nil {
		return d.claim(nodeID)
	}
	switch d.id, err = readIdentity(text, nodeID); {
	case errors.Is(err, errNoIdentity):
		return &CorruptError{name, err, corruptFix}
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (d *dataDir) claim(nodeID string) error {
	for _, name := range []string{"raft.db", "snapshots"} {
		if _, err := os.Stat(d.file(name)); err == nil {
			return &CorruptError{d.file("node.json"), fmt.Errorf("it is missing, but %s is there", name), corruptFix}
		}
	}
	d.id = newIdentity(nodeID)
	return saveIdentity(d, d.id)
}

// Load reads node.json; nil = there is none.
func (d *dataDir) Load() ([]byte, error) {
	text, err := os.ReadFile(d.file("node.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// Save replaces node.json, durably.
func (d *dataDir) Save(text []byte) error {
	tmp := d.file("node.json.tmp")
	if err := writeSynced(tmp, text); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	if err := os.Rename(tmp, d.file("node.json")); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return syncDir(d.path)
}

func writeSynced(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes the entries of a directory durable.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// newSecret returns what the nodes of a new cluster authenticate with.
func newSecret() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return b
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
