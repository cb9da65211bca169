package cluster

import (
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailure_LogErrorFailsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, g := gated(t, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := n.Wait(t.Context(), 1<<40); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
				t.Errorf("wait: %v", err)
			}
		})
		synctest.Wait()
		broken := error(syscall.EIO)
		g.err.Store(&broken)
		if _, err := n.Propose(t.Context(), write(1)); !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, syscall.EIO) {
			t.Errorf("propose: %v", err)
		}
		<-n.Failed()
		wg.Wait()
		if err := n.Err(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "write the log") {
			t.Errorf("reason: %v", err)
		}
		if _, err := n.Propose(t.Context(), write(2)); !errors.Is(err, ErrNotProposed) || !errors.Is(err, ErrFailed) {
			t.Errorf("propose after failure: %v", err)
		}
		n.Close()
	})
}

func TestFailure_HangingDiskFailsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, g := gated(t, nil)
		open := g.shut()
		start := time.Now()
		_, err := n.Propose(t.Context(), write(1))
		if !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, ErrFailed) {
			t.Errorf("propose: %v", err)
		}
		if took := time.Since(start); took != 30*time.Second || !strings.Contains(n.Err().Error(), "has not answered for 30s") {
			t.Errorf("failed after %v: %v", took, n.Err())
		}
		if err := n.Close(); err == nil {
			t.Error("a node whose disk hangs closes without an error")
		}
		if took := time.Since(start); took > 45*time.Second {
			t.Errorf("close took until %v", took)
		}
		open() // the late write: the process would be gone by now
		synctest.Wait()
		n.raft.Shutdown().Error()
	})
}
