//go:build linux

package histories

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// A site is where a node runs: one thread of this process, perhaps with a
// network and with mounts of its own. What the thread starts inherits them, and
// both vanish with the thread, even if this process is killed.
type site struct {
	ip   string
	tid  int // of the thread
	work chan func()
	quit chan struct{}
}

// newSite starts the thread; flags are those of unshare(2). close ends it.
func newSite(ip string, flags int) (*site, error) {
	s := &site{ip: ip, work: make(chan func()), quit: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		s.tid = syscall.Gettid()
		err := error(nil)
		if flags != 0 {
			err = syscall.Unshare(flags)
		}
		if err == nil && flags&syscall.CLONE_NEWNS != 0 {
			err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		}
		started <- err
		for {
			select {
			case f := <-s.work:
				f()
			case <-s.quit:
				return
			}
		}
	}()
	if err := <-started; err != nil {
		s.close()
		return nil, fmt.Errorf("unshare: %w", err)
	}
	return s, nil
}

// errSiteGone is what a late caller of a closed site gets.
var errSiteGone = errors.New("the site is closed")

// do runs f on the site's thread.
func (s *site) do(f func() error) error {
	done := make(chan error)
	select {
	case s.work <- func() { done <- f() }:
		return <-done
	case <-s.quit:
		return errSiteGone
	}
}

func (s *site) close() { close(s.quit) }

// run runs a command at the site to its end.
func (s *site) run(command string) error {
	words := strings.Fields(command)
	cmd := exec.Command(words[0], words[1:]...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.do(cmd.Start); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, strings.TrimSpace(out.String()))
	}
	return nil
}

// start starts cmd at the site; it is killed when the site ends.
func (s *site) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return s.do(cmd.Start)
}

// path is where this process finds a file of the site, whose mounts may differ.
func (s *site) path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/self/task/%d/root", s.tid), name)
}

// errNotRoot is why there are no networks and mounts of the nodes' own.
var errNotRoot = errors.New("only root can give each node a network of its own, and cut it")

// canUnshare says why nodes cannot have networks of their own. It tries once.
var canUnshare = sync.OnceValue(func() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	w, err := separate(1)
	if err != nil {
		return fmt.Errorf("networks of the nodes' own: %w", err)
	}
	w.close()
	return nil
})
