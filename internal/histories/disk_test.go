//go:build linux

package histories

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What was synced outlives a loss of power, what was not may be gone, and a full
// disk is full.
func TestDisk_LosesPower(t *testing.T) {
	if err := canMount(); err != nil {
		t.Skip(err)
	}
	s, err := newSite("", syscall.CLONE_NEWNS)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	n := &node{site: s, dir: t.TempDir()}
	if err := os.Mkdir(n.disk(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := n.makeDisk(16 << 20); err != nil {
		t.Fatal(err)
	}
	write := func(name string, sync bool) {
		t.Helper()
		f, err := os.Create(s.path(filepath.Join(n.disk(), name)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(name); err != nil {
			t.Fatal(err)
		}
		if sync {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("kept", true)
	write("lost", false)
	if err := n.breakDisk(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(filepath.Join(n.disk(), "late")), nil, 0o600); err == nil {
		t.Error("a broken disk can be written to")
	}
	if err := n.repairDisk(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(s.path(filepath.Join(n.disk(), "kept"))); err != nil || string(text) != "kept" {
		t.Errorf("what was synced is %q, %v", text, err)
	}
	if text, _ := os.ReadFile(s.path(filepath.Join(n.disk(), "lost"))); len(text) > 0 {
		t.Errorf("what was not synced is %q", text)
	}
	if err := n.fill(); err != nil {
		t.Error(err)
	}
	if err := n.drop(); err != nil {
		t.Error(err)
	}
	if err := s.run("umount " + n.disk()); err != nil {
		t.Error(err)
	}
}
