//go:build linux

package histories

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"unsafe"
)

// A node's own disk is a file system in a file, mounted at the node's site only.
// It can be full, and it can be shut down at once, after which it has what was
// synced, and the rest only as far as the kernel has got with it: as after a loss
// of power.

// image is the file of n's disk.
func (n *node) image() string { return filepath.Join(n.dir, "disk.img") }

// makeDisk gives n a disk of its own, of so many bytes.
func (n *node) makeDisk(bytes int64) error {
	f, err := os.Create(n.image())
	if err != nil {
		return err
	}
	err = f.Truncate(bytes)
	f.Close()
	if err != nil {
		return err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", n.image()).CombinedOutput(); err != nil {
		return fmt.Errorf("make a disk: %w: %s", err, out)
	}
	return n.mount()
}

func (n *node) mount() error { return n.site.run("mount -o loop " + n.image() + " " + n.disk()) }

// ext4's shutdown, see ioctl_fs in the kernel: not even the journal is flushed.
const (
	fsShutdown        = 0x8004587d
	shutdownNoJournal = uint32(2)
)

// breakDisk makes every use of n's disk an I/O error from now on, but for reading
// what the kernel has cached.
func (n *node) breakDisk() error {
	f, err := os.Open(n.site.path(n.disk()))
	if err != nil {
		return err
	}
	defer f.Close()
	how := shutdownNoJournal
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), fsShutdown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		return fmt.Errorf("shut %s down: %w", n.disk(), errno)
	}
	return nil
}

// repairDisk ends that. The process has ended.
func (n *node) repairDisk() error {
	if err := n.site.run("umount " + n.disk()); err != nil {
		return err
	}
	if err := n.mount(); err != nil {
		return err
	}
	return n.drop() // it may have come back
}

// ballast is what fills n's disk.
func (n *node) ballast() string { return n.site.path(filepath.Join(n.disk(), "ballast")) }

// drop removes the ballast.
func (n *node) drop() error {
	if err := os.Remove(n.ballast()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// fill leaves no room on n's disk.
func (n *node) fill() error {
	f, err := os.Create(n.ballast())
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}

// canMount says why nodes cannot have disks of their own. It tries once.
var canMount = sync.OnceValue(func() error {
	if err := canUnshare(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pemba-histories-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newSite("", syscall.CLONE_NEWNS)
	if err != nil {
		return err
	}
	defer s.close()
	n := &node{site: s, dir: dir}
	if err := os.Mkdir(n.disk(), 0o700); err != nil {
		return err
	}
	if err := n.makeDisk(16 << 20); err != nil {
		return fmt.Errorf("disks of the nodes' own: %w", err)
	}
	return s.run("umount " + n.disk())
})
