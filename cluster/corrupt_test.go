package cluster

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written returns a dir with a snapshot and log behind it, and its state.
func written(t testing.TB, change func(*Config)) (Config, state) {
	t.Helper()
	cfg := quiet(t.TempDir())
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
func refused(t *testing.T, cfg Config, file string) {
	t.Helper()
	n, err := Open(t.Context(), cfg)
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
}

// damage rewrites a file.
func damage(t testing.TB, name string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(name)
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
		"bit in a command": func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte("viewer"))
			b[i] ^= 1
			return b
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
	for _, file := range []string{"node.json", "raft.db"} {
		t.Run(file, func(t *testing.T) {
			cfg, _ := written(t, nil)
			if err := os.Remove(filepath.Join(cfg.DataDir, file)); err != nil {
				t.Fatal(err)
			}
			if file == "raft.db" { // nor the snapshots
				if err := os.RemoveAll(filepath.Join(cfg.DataDir, "snapshots")); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, cfg, file)
		})
	}
}

// Whatever byte of the log is damaged, the node refuses to start or has lost
// nothing; it does not crash. (A damaged newest meta page is the exception: it
// looks like the torn tail of a write that was never acknowledged.)
func TestCorrupt_AnyByteOfTheLog(t *testing.T) {
	cfg, want := written(t, nil)
	path := filepath.Join(cfg.DataDir, "raft.db")
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	opened := 0
	for range 60 {
		at, bit := 8192+rng.IntN(len(sound)-8192), byte(1)<<rng.IntN(8)
		damage(t, path, func([]byte) []byte {
			b := bytes.Clone(sound)
			b[at] ^= bit
			return b
		})
		n, err := Open(t.Context(), cfg)
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
	t.Logf("%d of 60 started: the byte was not in use", opened)
}
