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
	NodeID  string // unique in the cluster and for ever the same for a data dir; default "n1"
	DataDir string // raft.db, snapshots and the node's identity; created if absent, locked while open
	Version string // of the program, for people

	RaftAddr      string   // host:port of the node port; "" = no port at all, for a cluster of one member
	AdvertiseAddr string   // host:port by which other members reach it; RaftAddr
	InsecureNodes bool     // lets the node port be plaintext off loopback
	NodeTLS       *NodeTLS // nil = plaintext

	ClientAddr      string   // host:port by which clients reach this node, for people; "" = not told
	Join            []string // client addresses of nodes that may know the cluster
	BootstrapExpect int      // so many fresh nodes found a cluster together; 0 = join one or found one alone
	Nonvoter        bool     // a replica for reads, without a vote

	DeadVoterAfter    time.Duration // a voter not heard of for so long is removed; 0 = never
	DeadNonvoterAfter time.Duration // the same for nonvoters; 72 h, negative = never

	Peers     Peers     // how to talk to other members; nil = not at all, and nothing is forwarded
	Discovery Discovery // how to find members through Join

	HeartbeatTimeout time.Duration // without contact for so long a follower stands for election; 1 s
	ElectionTimeout  time.Duration // an election without a winner is repeated after it; 1 s
	LeaseTimeout     time.Duration // a leader without a quorum for so long steps down; 500 ms

	MaxQueued     int           // commands that wait to be proposed; more are refused with ErrOverloaded; 8,192
	MinFreeDisk   int64         // below so many free bytes writes are refused with ErrDiskFull; 64 MiB, -1 = never
	WriteDeadline time.Duration // a log write that takes longer ends the node (see Failed); 30 s

	SnapshotBytes   int64  // log bytes after which a snapshot is taken; 64 MiB
	SnapshotEntries uint64 // log entries after which a snapshot is taken; 65,536
	TrailingBytes   int64  // log bytes kept behind a snapshot for followers that lag, but 64 entries; 16 MiB

	HorizonWindow time.Duration // how far back views stay readable; 1 h, negative = for ever

	Now    func() int64 // the node's clock, Unix nanoseconds; time.Now
	Mono   func() int64 // a clock that nobody sets, nanoseconds, to judge Now by; Go's, but none where Now is given
	Logger *slog.Logger // slog.Default()

	// Seams for tests and the fault harness.

	Disk      *Disk                             // replaces the files of DataDir
	Transport raft.Transport                    // replaces the transport that RaftAddr asks for
	WrapLog   func(raft.LogStore) raft.LogStore // goes between the node and its log
	FreeDisk  func() (int64, error)             // replaces statfs of DataDir
	Level     int                               // replaces the program's feature level

	CommitTimeout time.Duration // longest delay before followers learn of a commit; 5 ms
}

// Disk is what a node keeps its state in when it is not the files of DataDir.
// The owner closes it; raft's in-memory stores are meant.
type Disk struct {
	Log       raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore
	Identity  IdentityStore // nil = kept for the life of one Node
}

const (
	maxAppendEntries = 256              // entries in one message to a follower
	closeTimeout     = 5 * time.Second  // how long Close waits for work under way
	snapshotTimeout  = 30 * time.Second // the same while a snapshot is being written
	waitNotice       = 5 * time.Second  // between warnings while a start waits for a leader
	retainSnapshots  = 2                // the older one is for people; the node never falls back to it
	raftPoolSize     = 3                // connections kept to each member
	raftDialTimeout  = 10 * time.Second
	maxFounders      = 9
	minTrailingLogs  = 64 // entries; fewer would make followers that keep up need a snapshot
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
	or(&c.DeadNonvoterAfter, 72*time.Hour)
	or(&c.Level, featureLevel)
	or(&c.CommitTimeout, 5*time.Millisecond)
	if c.Now == nil {
		c.Now = func() int64 { return time.Now().UnixNano() }
		if c.Mono == nil {
			start := time.Now()
			c.Mono = func() int64 { return int64(time.Since(start)) }
		}
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
	case c.RaftAddr != "" && c.Transport == nil && c.NodeTLS == nil && !c.InsecureNodes && !isLoopback(c.RaftAddr):
		return fmt.Errorf("config: raft address %q is not on loopback: give certificates, or ask for plaintext by name", c.RaftAddr)
	}
	return c.validateMembers()
}

// validateMembers checks what has to do with other members.
func (c *Config) validateMembers() error {
	alone := c.RaftAddr == "" && c.Transport == nil || c.Peers == nil
	switch {
	case c.BootstrapExpect < 0 || c.BootstrapExpect > maxFounders:
		return fmt.Errorf("config: %d nodes cannot found a cluster; 1 to %d can", c.BootstrapExpect, maxFounders)
	case alone && (len(c.Join) > 0 || c.BootstrapExpect > 1):
		return fmt.Errorf("config: a node that joins or founds a cluster with others needs a raft address")
	case len(c.Join) > 0 && c.Discovery == nil:
		return fmt.Errorf("config: no way to ask the addresses to join")
	case c.BootstrapExpect > 1 && len(c.Join) == 0:
		return fmt.Errorf("config: to found a cluster of %d, a node must know addresses of the others to join", c.BootstrapExpect)
	case c.BootstrapExpect > 0 && len(c.Join) > 2*c.BootstrapExpect-1:
		return fmt.Errorf("config: %d addresses to join for a cluster of %d: at most %d, or two clusters could come of it",
			len(c.Join), c.BootstrapExpect, 2*c.BootstrapExpect-1)
	case c.BootstrapExpect > 0 && c.Nonvoter:
		return fmt.Errorf("config: a nonvoter cannot found a cluster; let it join one")
	case c.RaftAddr != "" && c.AdvertiseAddr == "" && isUnspecified(c.RaftAddr):
		return fmt.Errorf("config: others cannot reach %q; say what address to advertise", c.RaftAddr)
	}
	return nil
}

// isUnspecified reports whether addr means every address of the machine.
func isUnspecified(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
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
	r.CommitTimeout = c.CommitTimeout
	r.MaxAppendEntries = maxAppendEntries
	r.BatchApplyCh = true
	r.ShutdownOnRemove = false // a removed member says so itself
	r.SnapshotThreshold = c.SnapshotEntries
	r.TrailingLogs = minTrailingLogs
	r.NoLegacyTelemetry = true
	r.Logger = newRaftLogger(c.Logger)
	return r
}
