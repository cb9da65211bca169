package authz

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestGraphs_ASchemaIsCompiledOnceForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &graphs{most: 4}
		source, made := []byte("schema"), &compiled{size: 1}
		var compiles atomic.Int32
		open := make(chan struct{})
		compile := func() (*compiled, error) {
			compiles.Add(1)
			<-open
			return made, nil
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if c, err := g.get(t.Context(), graphKey{revision: 1}, source, compile); c != made || err != nil {
					t.Error(c, err)
				}
			})
		}
		synctest.Wait()
		// Another key does not wait for it.
		if c, err := g.get(t.Context(), graphKey{revision: 2}, source, func() (*compiled, error) { return &compiled{size: 1}, nil }); c == nil || err != nil {
			t.Error(c, err)
		}
		close(open)
		all.Wait()
		if n := compiles.Load(); n != 1 || len(g.flights) != 0 {
			t.Errorf("compiled %d times, %d under way", n, len(g.flights))
		}
	})
}

// Whoever waits may leave; the others, and whoever comes later, get what is made.
func TestGraphs_AWaiterLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &graphs{most: 4}
		source, made := []byte("schema"), &compiled{size: 1}
		open := make(chan struct{})
		first := func() (*compiled, error) { <-open; return made, nil }
		again := func() (*compiled, error) { t.Error("compiled again"); return nil, nil }

		leaver, leave := context.WithCancelCause(t.Context())
		left := make(chan error, 1)
		go func() { _, err := g.get(leaver, graphKey{}, source, first); left <- err }()
		synctest.Wait()
		stayed := make(chan *compiled, 1)
		go func() { c, _ := g.get(t.Context(), graphKey{}, source, again); stayed <- c }()
		synctest.Wait()
		why := errors.New("in a hurry")
		leave(why)
		if err := <-left; err != why {
			t.Error(err)
		}
		close(open)
		if c := <-stayed; c != made {
			t.Error(c)
		}
		if c, err := g.get(t.Context(), graphKey{}, source, again); c != made || err != nil {
			t.Error(c, err)
		}
	})
}

// An equal record that a restore has brought may stand for another schema.
func TestGraphs_DoNotWaitForAnotherHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &graphs{most: 4}
		open := make(chan struct{})
		var old sync.WaitGroup
		old.Go(func() {
			_, err := g.get(t.Context(), graphKey{}, []byte("layer schema 1"), func() (*compiled, error) { <-open; return &compiled{layer: true, size: 1}, nil })
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		restored, made := []byte("layer schema 1"), &compiled{layer: true, size: 1}
		if c, err := g.get(t.Context(), graphKey{}, restored, func() (*compiled, error) { return made, nil }); c != made || err != nil {
			t.Error(c, err)
		}
		close(open)
		old.Wait()
		if len(g.flights) != 0 || g.size != 1 {
			t.Errorf("%d under way, %d kept", len(g.flights), g.size)
		}
	})
}

func TestGraphs_AnErrorIsForThoseWhoWaitedOnly(t *testing.T) {
	g := &graphs{most: 4}
	source, made := []byte("schema"), &compiled{size: 1}
	for _, fails := range []func() (*compiled, error){
		func() (*compiled, error) { return nil, errors.New("of no use") },
		func() (*compiled, error) { panic("of no use") },
	} {
		if _, err := g.get(t.Context(), graphKey{}, source, fails); err == nil || !strings.Contains(err.Error(), "of no use") {
			t.Error(err)
		}
	}
	if c, err := g.get(t.Context(), graphKey{}, source, func() (*compiled, error) { return made, nil }); c != made || err != nil {
		t.Error(c, err)
	}
}
