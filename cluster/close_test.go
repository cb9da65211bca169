package cluster

import (
	"bytes"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// entries make a snapshot of more than one write.
const entries = 3000

// slowSnapshots takes its time for each write, and for making a snapshot durable.
type slowSnapshots struct {
	raft.SnapshotStore
	write, sync time.Duration
	writing     chan struct{} // capacity 1; filled by the first write
	cancelled   bool
}

func (s *slowSnapshots) Create(v raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, t raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(v, index, term, c, ci, t)
	return &slowSink{sink, s}, err
}

type slowSink struct {
	raft.SnapshotSink
	s *slowSnapshots
}

func (k *slowSink) Write(p []byte) (int, error) {
	select {
	case k.s.writing <- struct{}{}:
	default:
	}
	<-time.After(k.s.write)
	return k.SnapshotSink.Write(p)
}

func (k *slowSink) Close() error {
	<-time.After(k.s.sync)
	return k.SnapshotSink.Close()
}

func (k *slowSink) Cancel() error {
	k.s.cancelled = true
	return k.SnapshotSink.Cancel()
}

// slowly closes a node in the midst of a snapshot and returns how long it took.
func slowly(t *testing.T, slow *slowSnapshots) (took time.Duration, logged string) {
	t.Helper()
	log := &bytes.Buffer{}
	slow.SnapshotStore, slow.writing = &memorySnapshots{}, make(chan struct{}, 1)
	n, _ := gated(t, func(c *Config) {
		c.Disk.Snapshots, c.SnapshotBytes = slow, entries*1000
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	// Snapshots are compressed.
	noise, rng := make([]byte, 500), rand.New(rand.NewPCG(1, 2))
	for i := range entries {
		for j := range noise {
			noise[j] = byte(rng.Uint32())
		}
		c := write(i)
		c.Updates[0].Tuple.Subject.ID = hex.EncodeToString(noise)
		propose(t, n, c)
	}
	<-slow.writing
	start := time.Now()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	return time.Since(start), log.String()
}

func TestClose_AbandonsASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowSnapshots{write: 3 * time.Second}
		took, logged := slowly(t, slow)
		if took > 5*time.Second || !slow.cancelled {
			t.Errorf("close took %v; cancelled: %v", took, slow.cancelled)
		}
		if logged != "" {
			t.Errorf("it is no news that a snapshot is abandoned:\n%s", logged)
		}
	})
}

func TestClose_WaitsForTheDiskToTakeASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if took, _ := slowly(t, &slowSnapshots{write: 12 * time.Second}); took < 10*time.Second {
			t.Errorf("close took %v", took)
		}
	})
}

func TestSnapshotSink_StopsWithTheNode(t *testing.T) {
	s := &snapshotStore{SnapshotStore: &memorySnapshots{}, stop: make(chan struct{})}
	sink, err := s.Create(1, 1, 1, raft.Configuration{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write([]byte("a")); err != nil || !s.busy() {
		t.Errorf("before: %v, busy %v", err, s.busy())
	}
	close(s.stop)
	if _, err := sink.Write([]byte("b")); !errors.Is(err, errAbandoned) {
		t.Errorf("after: %v", err)
	}
	if err := errors.Join(sink.Cancel(), sink.Cancel()); err != nil || s.busy() {
		t.Errorf("cancel: %v, busy %v", err, s.busy())
	}
}
