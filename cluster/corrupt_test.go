package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
)

// written returns a dir with a snapshot and log behind it, and its state.
func written(t testing.TB, change func(*Config)) (Config, state) {
	t.Helper()
	cfg := quiet(fastDir(t))
	cfg.TrailingBytes = 1
	if change != nil {
		change(&cfg)
	}
	n := open(t, cfg)
	for i := range 600 {
		propose(t, n, write(i))
		if i == 50 || i == 550 {
			if err := n.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := stateOf(t, n)
	closed(t, n)
	return cfg, s
}

// refused opens cfg and checks that the error names file and what to do.
func refused(t *testing.T, cfg Config, file string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	n, err := Open(ctx, cfg)
	var corrupt *CorruptError
	switch {
	case err == nil:
		n.Close()
		t.Fatal("a damaged dir was opened")
	case !errors.As(err, &corrupt):
		t.Fatalf("not a CorruptError: %v", err)
	case !strings.Contains(corrupt.File, file) || !strings.Contains(err.Error(), corrupt.File) || !strings.Contains(corrupt.Fix, "backup"):
		t.Fatalf("it does not say what to do with %s: %v", file, err)
	}
	return err
}

// damage rewrites a file.
func damage(t testing.TB, name string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		// A new file: bbolt may still hold the lock of one that it could not open.
		err = os.Remove(name)
	}
	if err == nil {
		err = os.WriteFile(name, change(data), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newestSnapshot(t testing.TB, cfg Config) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(cfg.DataDir, "snapshots", "*"))
	if err != nil || len(all) != 2 {
		t.Fatalf("snapshots %v, %v", all, err)
	}
	return all[1]
}

func TestCorrupt_NewestSnapshotRefused(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"flipped":   func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"empty":     func([]byte) []byte { return nil },
	} {
		for _, file := range []string{"state.bin", "meta.json"} {
			t.Run(name+" "+file, func(t *testing.T) {
				cfg, _ := written(t, nil)
				path := filepath.Join(newestSnapshot(t, cfg), file)
				damage(t, path, change)
				refused(t, cfg, filepath.Base(newestSnapshot(t, cfg)))
			})
		}
	}
}

func TestCorrupt_MissingNewestSnapshotRefused(t *testing.T) {
	cfg, _ := written(t, nil)
	if err := os.RemoveAll(newestSnapshot(t, cfg)); err != nil {
		t.Fatal(err)
	}
	// What lay between the older snapshot and the log is gone.
	refused(t, cfg, "raft.db")
}

func TestCorrupt_UnfinishedSnapshotIsRemoved(t *testing.T) {
	cfg, want := written(t, nil)
	tmp := filepath.Join(cfg.DataDir, "snapshots", "9-9999-9.tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := stateOf(t, open(t, cfg)); got != want {
		t.Errorf("state %v, want %v", got, want)
	}
	if _, err := os.Stat(tmp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

func TestCorrupt_LogRefused(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"truncated": func(b []byte) []byte { return b[:len(b)/3] },
		"zeroed":    func(b []byte) []byte { return make([]byte, len(b)) },
		"no metas":  func(b []byte) []byte { clear(b[:8192]); return b },
		"not bolt":  func([]byte) []byte { return []byte("hello") },
		// A command's own bytes: neither bolt nor raft would notice.
		// In all copies, for some stand in pages that are no longer in use.
		"bit in a command": func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("viewer"), []byte("viewes"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := written(t, nil)
			damage(t, filepath.Join(cfg.DataDir, "raft.db"), change)
			refused(t, cfg, "raft.db")
		})
	}
}

func TestCorrupt_MissingFilesRefused(t *testing.T) {
	for _, c := range []struct {
		file string
		gone []string
	}{
		{"node.json", []string{"node.json"}},
		{"raft.db", []string{"raft.db"}},
		{"raft.db", []string{"raft.db", "snapshots"}},
	} {
		t.Run(strings.Join(c.gone, " and "), func(t *testing.T) {
			cfg, _ := written(t, nil)
			for _, name := range c.gone {
				if err := os.RemoveAll(filepath.Join(cfg.DataDir, name)); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, cfg, c.file)
			refused(t, cfg, c.file) // the first attempt has made nothing that misleads the second
		})
	}
}

// A raft.db that is sound but not what was written: a new one, or none, where
// node.json or only the snapshots tell that there was data.
func TestCorrupt_EmptyLogBesideSnapshotRefused(t *testing.T) {
	fresh := func(t *testing.T) []byte {
		name := filepath.Join(t.TempDir(), "raft.db")
		if err := must(openBolt(name)).Close(); err != nil {
			t.Fatal(err)
		}
		return must(os.ReadFile(name))
	}
	for want, content := range map[string]func(*testing.T) []byte{
		"it is empty":                func(*testing.T) []byte { return nil },
		"it does not name its owner": fresh,
	} {
		for _, joined := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, cluster known: %v", want, joined), func(t *testing.T) {
				cfg, _ := written(t, nil)
				damage(t, filepath.Join(cfg.DataDir, "raft.db"), func([]byte) []byte { return content(t) })
				if !joined {
					forgetCluster(t, cfg)
				}
				if err := refused(t, cfg, "raft.db"); !strings.Contains(err.Error(), want) {
					t.Errorf("it does not say %q: %v", want, err)
				}
			})
		}
	}
}

// forgetCluster takes the cluster's id out of node.json.
func forgetCluster(t *testing.T, cfg Config) {
	t.Helper()
	d, err := openDir(cfg.DataDir, "n1")
	if err != nil {
		t.Fatal(err)
	}
	d.id.ClusterID = ""
	if err := errors.Join(saveIdentity(d, d.id), d.close()); err != nil {
		t.Fatal(err)
	}
}

// An emptied log is sound after a received snapshot, but not if it has
// forgotten the term of that snapshot.
func TestCorrupt_TermBehindSnapshotRefused(t *testing.T) {
	for term, fine := range map[uint64]bool{1: false, 2: true, 3: true} {
		cfg, want := written(t, nil)
		if newest := must(openSnapshots(filepath.Join(cfg.DataDir, "snapshots"), newRaftLogger(cfg.Logger))); must(newest.newestMeta()).Term != 2 {
			t.Fatal("the snapshot is not of term 2")
		}
		b := must(openBolt(filepath.Join(cfg.DataDir, "raft.db")))
		err := errors.Join(b.DeleteRange(1, must(b.LastIndex())), b.SetUint64([]byte("CurrentTerm"), term), b.Close())
		if err != nil {
			t.Fatal(err)
		}
		if !fine {
			refused(t, cfg, "raft.db")
			continue
		}
		n := open(t, cfg)
		if rev := n.Store().Revision(); rev == 0 || rev > want.Revision {
			t.Errorf("revision %d", rev)
		}
		closed(t, n)
	}
}

// young is a dir with a few writes and no snapshot: its first entry, the
// configuration, is in the log only.
func young(t *testing.T) (cfg Config, path string, sound []byte, want state) {
	t.Helper()
	cfg = quiet(fastDir(t))
	n := open(t, cfg)
	for i := range 3 {
		propose(t, n, write(i))
	}
	want = stateOf(t, n)
	closed(t, n)
	path = filepath.Join(cfg.DataDir, "raft.db")
	return cfg, path, must(os.ReadFile(path)), want
}

// A flipped bit in the configuration would leave a node that waits for a
// leader for ever.
func TestCorrupt_ConfigurationRefused(t *testing.T) {
	cfg, path, sound, _ := young(t)
	data := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: "n1"}}})
	if !bytes.Contains(sound, data) {
		t.Fatal("the configuration is not in the file as it was encoded")
	}
	for i := range data {
		// Stale pages of bbolt may hold the entry too; flip the byte in all of them.
		damage(t, path, func([]byte) []byte { return bytes.ReplaceAll(sound, data, flipped(data, i)) })
		refused(t, cfg, "raft.db")
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestCorrupt_NotAMemberRefused(t *testing.T) {
	for name, data := range map[string]raft.Configuration{
		"another": {Servers: []raft.Server{{ID: "n3", Address: "n1"}}},
		"nobody":  {},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, path, _, _ := young(t)
			b := must(openBolt(path))
			last := must(b.LastIndex())
			e := &raft.Log{Index: last + 1, Term: 9, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(data)}
			err := errors.Join(b.StoreLogs(sealed([]*raft.Log{e})), b.SetUint64([]byte("CurrentTerm"), 9), b.Close())
			if err != nil {
				t.Fatal(err)
			}
			refused(t, cfg, "raft.db")
		})
	}
}

// The process may end between the two writes that found a cluster.
func TestOpen_HalfFoundedClusterIsFounded(t *testing.T) {
	cfg := quiet(fastDir(t))
	cfg.FreeDisk = func() (int64, error) { return 0, errors.New("no disk") }
	if _, err := Open(t.Context(), cfg); err == nil {
		t.Fatal("founded")
	}
	path := filepath.Join(cfg.DataDir, "raft.db")
	b := must(openBolt(path))
	err := errors.Join(b.DeleteRange(1, must(b.LastIndex())), b.SetUint64([]byte("CurrentTerm"), 1), b.Close())
	if err != nil {
		t.Fatal(err)
	}
	cfg.FreeDisk = nil
	propose(t, open(t, cfg), write(1))
}

// A damaged meta page may be the newer one, without which the last write is
// gone; no byte of either may be wrong.
func TestCorrupt_MetaPageRefused(t *testing.T) {
	cfg, path, sound, _ := young(t)
	size := os.Getpagesize()
	for page := range 2 {
		for i := range 64 {
			at := page*size + boltHeader + i
			damage(t, path, func([]byte) []byte { return flipped(sound, at) })
			if err := checkBolt(path); err == nil {
				t.Errorf("meta %d, byte %d: accepted", page, i)
			}
		}
		for name, from := range map[string]int{"torn": 32, "zero": 0} {
			damage(t, path, func([]byte) []byte {
				b := bytes.Clone(sound)
				clear(b[page*size+from : (page+1)*size])
				return b
			})
			t.Logf("meta %d: %s", page, name)
			refused(t, cfg, "raft.db")
		}
	}
}

// Whatever byte of the log is damaged, the node refuses to start or has lost
// nothing; it neither crashes nor waits.
func TestCorrupt_AnyByteOfTheLog(t *testing.T) {
	t.Run("long", func(t *testing.T) {
		cfg, want := written(t, nil)
		path := filepath.Join(cfg.DataDir, "raft.db")
		anyByte(t, cfg, path, must(os.ReadFile(path)), want, 60)
	})
	t.Run("young", func(t *testing.T) {
		cfg, path, sound, want := young(t)
		anyByte(t, cfg, path, sound, want, 300)
	})
}

func anyByte(t *testing.T, cfg Config, path string, sound []byte, want state, times int) {
	rng := rand.New(rand.NewPCG(3, 4))
	var inUse []int // zeros are padding for the most part
	for i, c := range sound {
		if c != 0 || rng.IntN(20) == 0 {
			inUse = append(inUse, i)
		}
	}
	if underRace && testing.Short() {
		times /= 4
	}
	opened := 0
	for range times {
		at, bit := inUse[rng.IntN(len(inUse))], byte(1)<<rng.IntN(8)
		damage(t, path, func([]byte) []byte {
			b := bytes.Clone(sound)
			b[at] ^= bit
			return b
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		n, err := Open(ctx, cfg)
		cancel()
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("byte %d, bit %d: %v", at, bit, err)
			}
			continue
		}
		opened++
		if got := stateOf(t, n); got != want {
			t.Errorf("byte %d, bit %d: state %v, want %v", at, bit, got, want)
		}
		closed(t, n)
	}
	t.Logf("%d of %d started: the byte was not in use", opened, times)
}

// What checkBolt accepts must neither crash bbolt nor be refused by it, which
// it does in a goroutine that nobody can recover from: the heads of all pages,
// and the young log's inline buckets, with every bit flipped.
func TestCheckBolt_AcceptsOnlyWhatBoltDoes(t *testing.T) {
	if underRace && testing.Short() {
		t.Skip("one goroutine; runs without the race detector")
	}
	_, path, sound, _ := young(t)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	accepted := 0
	for i := range sound {
		if i%os.Getpagesize() >= 16*boltHeader {
			continue
		}
		for _, bit := range []int{3, i % 8} {
			damage(t, path, func([]byte) []byte {
				b := bytes.Clone(sound)
				b[i] ^= 1 << bit
				return b
			})
			if checkBolt(path) != nil {
				continue
			}
			accepted++
			if err := useBolt(path); err != nil {
				t.Errorf("byte %d, bit %d: accepted, but %v", i, bit, err)
			}
		}
	}
	t.Logf("%d accepted", accepted)
}

// useBolt checks, reads and writes a file as bbolt does.
func useBolt(path string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return errors.Join(tx.Bucket([]byte("logs")).Put([]byte("zz"), make([]byte, 5000)), tx.Bucket([]byte("conf")).Put([]byte("zz"), nil))
	})
}

// A page that says that it has one element fewer would otherwise be sound, and
// the log without its last entry too.
func TestCheckBolt_LostElementRefused(t *testing.T) {
	cfg, _ := written(t, nil)
	path := filepath.Join(cfg.DataDir, "raft.db")
	sound := must(os.ReadFile(path))
	b := &boltFile{f: must(os.Open(path)), size: int64(len(sound)), seen: map[uint64]bool{}}
	defer b.f.Close()
	root := must(b.readMeta())
	if err := b.walk(root, new(keyOrder)); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for page := range b.seen {
		at := int64(page) * b.pageSize
		count := ne.Uint16(sound[at+10:])
		if ne.Uint64(sound[at:]) != page || count == 0 {
			continue // it is the overflow of another
		}
		tried++
		damage(t, path, func([]byte) []byte {
			d := bytes.Clone(sound)
			ne.PutUint16(d[at+10:], count-1)
			return d
		})
		if err := checkBolt(path); err == nil {
			t.Errorf("page %d with %d of %d elements is accepted", page, count-1, count)
		}
	}
	if tried < 3 {
		t.Errorf("only %d pages are in use", tried)
	}
}

// Raft's store would make the bucket that it does not find, and so an empty log.
func TestCheckBolt_RenamedBucketRefused(t *testing.T) {
	cfg, path, sound, _ := young(t)
	for old, renamed := range map[string]string{"logs": "logr", "conf": "cone"} {
		damage(t, path, func([]byte) []byte { return bytes.ReplaceAll(sound, []byte(old), []byte(renamed)) })
		if err := refused(t, cfg, "raft.db"); !strings.Contains(err.Error(), "buckets") {
			t.Errorf("%s: %v", renamed, err)
		}
	}
}
