package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// flaky is a disk whose writes fail now and then, before or after they have
// reached it: what the process did next is lost either way.
type flaky struct {
	mu    sync.Mutex
	rng   *rand.Rand // guarded by mu
	rate  float64    // guarded by mu; 0 = sound
	Disk  *Disk
	inner *Disk
}

var errCrash = errors.New("crash")

func newFlaky(rng *rand.Rand, rate float64) *flaky {
	f := &flaky{rng: dice(rng.Uint64()), rate: rate, inner: labDisk()}
	f.Disk = &Disk{Log: flakyLog{f.inner.Log, f}, Stable: flakyStable{f.inner.Stable, f}, Snapshots: f.inner.Snapshots, Identity: flakyIdentity{f.inner.Identity, f}}
	return f
}

// write runs w, or not, and may fail either way.
func (f *flaky) write(w func() error) error {
	f.mu.Lock()
	dies, before := f.rng.Float64() < f.rate, f.rng.IntN(2) == 0
	f.mu.Unlock()
	if dies && before {
		return errCrash
	}
	err := w()
	if dies {
		return errCrash
	}
	return err
}

func (f *flaky) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = 0
}

type flakyLog struct {
	raft.LogStore
	f *flaky
}

func (l flakyLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }
func (l flakyLog) StoreLogs(e []*raft.Log) error {
	return l.f.write(func() error { return l.LogStore.StoreLogs(e) })
}

// flakyStable only fails where raft does not panic: at the first half of a
// bootstrap.
type flakyStable struct {
	raft.StableStore
	f *flaky
}

func (s flakyStable) SetUint64(k []byte, v uint64) error {
	if last, err := s.f.inner.Log.LastIndex(); err != nil || last > 0 || v != 1 {
		return s.StableStore.SetUint64(k, v)
	}
	return s.f.write(func() error { return s.StableStore.SetUint64(k, v) })
}

type flakyIdentity struct {
	IdentityStore
	f *flaky
}

func (s flakyIdentity) Save(text []byte) error {
	return s.f.write(func() error { return s.IdentityStore.Save(text) })
}

// crashing starts cfg's node, and again until it starts.
func (l *lab) crashing(t *testing.T, cfg Config) {
	t.Helper()
	for range 100 {
		if l.tryStart(cfg) == nil {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	t.Fatal("it does not start")
}

// clusters returns the ids of all clusters that nodes are in.
func (l *lab) clusters() map[string]bool {
	out := map[string]bool{}
	for _, n := range l.nodes {
		if id, _ := n.Store().Cluster(); id != "" {
			out[id] = true
		}
	}
	return out
}

// However often founders crash, and at whatever write, one cluster comes of it.
func TestFounding_CrashesEndInOneCluster(t *testing.T) {
	for _, seed := range seeds(t, 8) {
		t.Run(fmt.Sprintf("PEMBA_SEED=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, rng := newLab(t), dice(seed)
				disks := l.founders(t, rng, 3+rng.IntN(2))
				for range 30 {
					<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond)
					l.reviveFailed(t, rng)
				}
				for _, d := range disks {
					d.mend()
				}
				l.reviveFailed(t, rng)
				for id := range l.nodes {
					eventually(t, id+" is ready", func() bool {
						l.reviveFailed(t, rng)
						return l.nodes[id].Ready()
					})
				}
				if c := l.clusters(); len(c) != 1 {
					t.Errorf("clusters %v", c)
				}
				propose(t, l.nodes["n2"].Node, write(1))
				l.end(t)
			})
		})
	}
}

// founders starts n nodes on flaky disks, three of which are expected to found
// a cluster.
func (l *lab) founders(t *testing.T, rng *rand.Rand, n int) map[string]*flaky {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("n%d", i+1))
	}
	disks := map[string]*flaky{}
	for _, id := range ids {
		cfg := l.config(id, ids...)
		disks[id] = newFlaky(rng, 0.05)
		cfg.BootstrapExpect, cfg.Disk = 3, disks[id].Disk
		l.crashing(t, cfg)
	}
	return disks
}

// reviveFailed starts nodes again that have crashed, and now and then one that
// has not.
func (l *lab) reviveFailed(t *testing.T, rng *rand.Rand) {
	for _, id := range []string{"n1", "n2", "n3", "n4", "n5"} {
		n := l.nodes[id]
		if n == nil || n.Err() == nil && rng.IntN(20) > 0 {
			continue
		}
		l.kill(id)
		l.crashing(t, n.cfg)
	}
}

// A disk that is replaced in the midst of a founding never makes it two.
func TestFounding_CrashWithAWipedDiskNeverMakesTwoClusters(t *testing.T) {
	for _, seed := range seeds(t, 6) {
		t.Run(fmt.Sprintf("PEMBA_SEED=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, rng := newLab(t), dice(seed)
				disks := l.founders(t, rng, 3)
				<-time.After(time.Duration(rng.IntN(1200)) * time.Millisecond)
				for range 1 + rng.IntN(2) {
					id := fmt.Sprintf("n%d", 1+rng.IntN(3))
					cfg := l.nodes[id].cfg
					l.kill(id)
					disks[id] = newFlaky(rng, 0.05)
					cfg.Disk = disks[id].Disk
					l.crashing(t, cfg)
				}
				for range 30 {
					<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond)
					l.reviveFailed(t, rng)
				}
				for _, d := range disks {
					d.mend()
				}
				<-time.After(30 * time.Second)
				l.reviveFailed(t, rng)
				<-time.After(30 * time.Second)
				c := l.clusters()
				if len(c) > 1 {
					t.Errorf("clusters %v", c)
				}
				for id, n := range l.nodes {
					t.Log(id, n.stage(), n.Ready(), n.Sight().ClusterID)
				}
			})
		})
	}
}
