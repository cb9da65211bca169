package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"github.com/pemba-authz/pemba/internal/faulty"
)

// disk is where a node keeps its state: the files of a data dir, or what
// Config.Disk gives instead.
type disk struct {
	self   *self                 // who the node is
	dir    *dataDir              // nil without files
	bolt   *raftboltdb.BoltStore // nil without files
	log    raft.LogStore
	stable raft.StableStore
	snaps  *snapshotStore
}

// diskKey is the key in raft.db of the DiskID that the file belongs to.
var diskKey = []byte("pemba.disk_id")

func openDisk(cfg *Config) (*disk, error) {
	if cfg.Disk != nil {
		return openGiven(cfg)
	}
	dir, err := openDir(cfg.DataDir, cfg.NodeID)
	if err != nil {
		return nil, err
	}
	d := &disk{dir: dir}
	if err := d.openFiles(cfg); err != nil {
		d.close()
		return nil, err
	}
	d.self = &self{store: dir, id: dir.id}
	return d, nil
}

// openGiven is openDisk without files.
func openGiven(cfg *Config) (*disk, error) {
	from := cfg.Disk.Identity
	if from == nil {
		from = &memoryIdentity{}
	}
	me, err := openSelf(from, cfg.NodeID)
	if err != nil {
		return nil, err
	}
	return &disk{
		self: me, log: cfg.Disk.Log, stable: cfg.Disk.Stable,
		snaps: &snapshotStore{SnapshotStore: cfg.Disk.Snapshots},
	}, nil
}

func (d *disk) openFiles(cfg *Config) error {
	var err error
	if d.snaps, err = openSnapshots(d.dir.file("snapshots"), newRaftLogger(cfg.Logger)); err != nil {
		return err
	}
	if err := d.checkPresent(); err != nil {
		return err
	}
	if d.bolt, err = openBolt(d.dir.file("raft.db")); err != nil {
		return err
	}
	d.log, d.stable = d.bolt, d.bolt
	if err := d.stamp(); err != nil {
		return err
	}
	if err := syncDir(d.dir.path); err != nil {
		return err
	}
	return d.checkLog()
}

// openBolt opens raft.db after a check that reads every page of its trees.
func openBolt(path string) (b *raftboltdb.BoltStore, err error) {
	if err := checkBolt(path); err != nil {
		return nil, &CorruptError{path, err, corruptFix}
	}
	defer func() {
		if r := recover(); r != nil {
			err = &CorruptError{path, fmt.Errorf("%v", r), corruptFix}
		}
	}()
	b, err = raftboltdb.New(raftboltdb.Options{
		Path:        path,
		NoSync:      faulty.NoSync,
		BoltOptions: &bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, Timeout: time.Second},
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return b, nil
}

// owed says why raft.db must be there and name its owner, "" if the dir may be
// a fresh one.
func (d *disk) owed() (string, error) {
	if why := owedBy(d.dir.id); why != "" {
		return why, nil
	}
	covered, err := d.snaps.newest()
	if err != nil || covered == 0 {
		return "", err
	}
	return fmt.Sprintf("a snapshot up to entry %d stands beside it", covered), nil
}

// lost is the answer when raft.db lacks what it must have.
func (d *disk) lost(what, why string) error {
	return &CorruptError{d.logName(), fmt.Errorf("%s, but %s", what, why), corruptFix}
}

// checkPresent refuses a dir whose raft.db is gone. It runs before bbolt makes
// a new one.
func (d *disk) checkPresent() error {
	why, err := d.owed()
	if err != nil || why == "" {
		return err
	}
	info, err := os.Stat(d.logName())
	switch {
	case errors.Is(err, os.ErrNotExist):
		return d.lost("it is missing", why)
	case err == nil && info.Size() == 0:
		return d.lost("it is empty", why)
	}
	return err
}

// stamp writes the dir's id into a fresh raft.db, or checks it.
func (d *disk) stamp() error {
	id, err := d.bolt.Get(diskKey)
	switch {
	case err == nil && string(id) == d.dir.id.DiskID:
		return nil
	case err == nil:
		return fmt.Errorf("%s and node.json beside it belong to different nodes: %w", d.logName(), ErrForeignDir)
	case !errors.Is(err, raftboltdb.ErrKeyNotFound):
		return fmt.Errorf("read %s: %w", d.logName(), err)
	}
	why, err := d.owed()
	if err != nil {
		return err
	}
	if why != "" {
		return d.lost("it does not name its owner", why)
	}
	if last, err := d.bolt.LastIndex(); err != nil || last > 0 {
		return &CorruptError{d.logName(), errors.Join(errors.New("it has entries but not its owner's id"), err), corruptFix}
	}
	return d.bolt.Set(diskKey, []byte(d.dir.id.DiskID))
}

// checkLog refuses a dir that once held a cluster's data and has none. A log
// without entries is sound beside a snapshot that the node has received, and
// where the node has not become a member yet.
func (d *disk) checkLog() error {
	why, err := d.owed()
	if err != nil || why == "" || stageOf(d.dir.id, false) != InCluster {
		return err
	}
	last, err := d.log.LastIndex()
	if err != nil || last > 0 {
		return err
	}
	covered, err := d.snaps.newest()
	if err == nil && covered == 0 {
		err = d.lost("it has no entries", why)
	}
	return err
}

// logName is what errors call the log.
func (d *disk) logName() string {
	if d.dir == nil {
		return "the log"
	}
	return filepath.Join(d.dir.path, "raft.db")
}

func (d *disk) close() error {
	var err error
	if d.bolt != nil {
		err = d.bolt.Close()
	}
	if d.dir != nil {
		err = errors.Join(err, d.dir.close())
	}
	return err
}
