package cluster

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// Config says how a node runs. A zero field means its default.
type Config struct {
	NodeID   string // unique in the cluster and for ever the same for a data dir; default "n1"
	DataDir  string // raft.db, snapshots and the node's identity; created if absent, locked while open
	RaftAddr string // host:port of the Raft port; "" = no port at all, for a cluster of one member

	HeartbeatTimeout time.Duration // without contact for so long a follower stands for election; 1 s
	ElectionTimeout  time.Duration // an election without a winner is repeated after it; 1 s
	LeaseTimeout     time.Duration // a leader without a quorum for so long steps down; 500 ms

	MaxQueued     int           // commands that wait to be proposed; more are refused with ErrOverloaded; 8,192
	MinFreeDisk   int64         // below so many free bytes writes are refused with ErrDiskFull; 64 MiB, -1 = never
	WriteDeadline time.Duration // a log write that takes longer ends the node (see Failed); 30 s

	SnapshotBytes   int64  // log bytes after which a snapshot is taken; 64 MiB
	SnapshotEntries uint64 // log entries after which a snapshot is taken; 65,536
	TrailingBytes   int64  // log bytes kept behind a snapshot for followers that lag; 16 MiB

	HorizonWindow time.Duration // how far back views stay readable; 1 h, negative = for ever

	Now    func() int64 // the node's clock, Unix nanoseconds; time.Now
	Logger *slog.Logger // slog.Default()

	// Seams for tests and the fault harness.

	Disk      *Disk                             // replaces the files of DataDir
	Transport raft.Transport                    // replaces the transport that RaftAddr asks for
	WrapLog   func(raft.LogStore) raft.LogStore // goes between the node and its log
	FreeDisk  func() (int64, error)             // replaces statfs of DataDir
}

// Disk is what a node keeps its state in when it is not the files of DataDir.
// The owner closes it; raft's in-memory stores are meant.
type Disk struct {
	Log       raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore
}

const (
	maxAppendEntries = 256                  // entries in one message to a follower
	commitTimeout    = 5 * time.Millisecond // longest delay before followers learn of a commit
	closeTimeout     = 5 * time.Second      // how long Close waits for work under way
	snapshotTimeout  = 30 * time.Second     // the same while a snapshot is being written
	waitNotice       = 5 * time.Second      // between warnings while a start waits for a leader
	retainSnapshots  = 2                    // the older one is for people; the node never falls back to it
	raftPoolSize     = 3                    // connections kept to each member
	raftDialTimeout  = 10 * time.Second
	minTrailingLogs  = 256
	maxTrailingLogs  = 10_240
)

func or[T comparable](v *T, byDefault T) {
	var zero T
	if *v == zero {
		*v = byDefault
	}
}

// withDefaults returns c with every zero field set, or says what is wrong.
func (c Config) withDefaults() (Config, error) {
	or(&c.NodeID, "n1")
	or(&c.HeartbeatTimeout, time.Second)
	or(&c.ElectionTimeout, c.HeartbeatTimeout)
	or(&c.LeaseTimeout, c.HeartbeatTimeout/2)
	or(&c.MaxQueued, 8192)
	or(&c.MinFreeDisk, 64<<20)
	or(&c.WriteDeadline, 30*time.Second)
	or(&c.SnapshotBytes, 64<<20)
	or(&c.SnapshotEntries, 65_536)
	or(&c.TrailingBytes, 16<<20)
	or(&c.HorizonWindow, time.Hour)
	if c.Now == nil {
		c.Now = func() int64 { return time.Now().UnixNano() }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, c.validate()
}

func (c *Config) validate() error {
	switch {
	case c.DataDir == "" && c.Disk == nil:
		return fmt.Errorf("config: a node needs a data dir")
	case c.LeaseTimeout > c.HeartbeatTimeout:
		return fmt.Errorf("config: lease timeout %v is above the heartbeat timeout %v", c.LeaseTimeout, c.HeartbeatTimeout)
	case c.RaftAddr != "" && c.Transport == nil && !isLoopback(c.RaftAddr):
		return fmt.Errorf("config: raft address %q is not on loopback, and the Raft port has no TLS yet", c.RaftAddr)
	}
	return nil
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) raftConfig() *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = raft.ServerID(c.NodeID)
	r.HeartbeatTimeout = c.HeartbeatTimeout
	r.ElectionTimeout = c.ElectionTimeout
	r.LeaderLeaseTimeout = c.LeaseTimeout
	r.CommitTimeout = commitTimeout
	r.MaxAppendEntries = maxAppendEntries
	r.BatchApplyCh = true
	r.ShutdownOnRemove = false // a removed member says so itself
	r.SnapshotThreshold = c.SnapshotEntries
	r.TrailingLogs = maxTrailingLogs
	r.NoLegacyTelemetry = true
	r.Logger = newRaftLogger(c.Logger)
	return r
}
