package cluster

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Snapshots that never end take nothing from the writes beside them: after a
// restart from the last one and the log behind it, everything is there.
func TestSnapshot_OneAfterTheOtherWhileWritersRun(t *testing.T) {
	const writes = 1000
	cfg := quiet(fastDir(t))
	cfg.TrailingBytes = 1
	n := open(t, cfg)
	fill(t, n, 10_000)
	stop, taken := make(chan struct{}), 0
	var taker, wg sync.WaitGroup
	taker.Go(func() { taken = snapshotOn(t, n, stop) })
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1); i <= writes; i = next.Add(1) {
				propose(t, n, write(int(i)))
			}
		})
	}
	wg.Wait()
	close(stop)
	taker.Wait()
	if taken < 2 {
		t.Errorf("only %d snapshots", taken)
	}
	want := stateOf(t, n)
	closed(t, n)
	n = open(t, cfg)
	if got := stateOf(t, n); got.Sum != want.Sum {
		t.Errorf("after the restart %+v, before %+v", got, want)
	}
	for i := 1; i <= writes; i += 97 {
		if !has(t, n, i) {
			t.Errorf("write %d is lost", i)
		}
	}
	t.Log(taken, "snapshots")
}
