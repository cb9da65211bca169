package store

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// TestView_OldOnesStayWholeWhileMemoryIsReclaimed holds views, an iterator in
// the midst of a row, and strings that views returned, while the writer makes
// one generation after another and the collector runs without pause: what they
// read must be neither freed nor used for something else.
func TestView_OldOnesStayWholeWhileMemoryIsReclaimed(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	s := New(Options{CollectMin: 1, CollectPercent: 2})
	apply(t, s, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "default"})
	const last = 150
	var done atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		for !done.Load() {
			runtime.GC()
		}
	})
	for range 3 {
		others.Go(func() {
			for !done.Load() && !t.Failed() {
				readOldViews(t, s, last)
			}
		})
	}
	generations := map[uint64]bool{}
	for rev := uint64(2); rev <= last; rev++ {
		c := write(t, OpTouch)
		for i := range uint64(20) {
			// The second half replaces what was written ten revisions ago.
			u := Update{OpTouch, parse(t, fmt.Sprintf("doc:%d#viewer@user:%s-%d", i, strings.Repeat("u", int(i)), (rev-i/10*10)%50))}
			if i%3 == 0 {
				u.Tuple.Expires = int64(rev)
			}
			c.Updates = append(c.Updates, u)
		}
		apply(t, s, rev, c, Command{Kind: KindHorizon, Horizon: rev - min(rev, 3)})
		generations[must[View](t)(s.View("default", 0)).Generation()] = true
	}
	done.Store(true)
	others.Wait()
	if len(generations) < 15 {
		t.Errorf("%d generations: the test does not test it", len(generations))
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
}

// readOldViews takes views one revision after another and reads all of them
// again and again while newer ones come.
func readOldViews(t *testing.T, s *Store, last uint64) {
	type held struct {
		v    View
		sum  uint64
		it   Iter
		rest int    // facts that it has still to pass
		name string // returned by v, with a copy
		copy string
	}
	var views []held
	for len(views) < 12 && s.Revision() < last {
		v, err := s.View("default", 0)
		if err != nil {
			t.Error(err)
			return
		}
		h := held{v: v, sum: viewSum(v), it: v.someRow()}
		for it := h.it; it.Next(); h.rest++ {
			_, h.name = v.NodeName(it.Fact().Subject)
		}
		h.copy = strings.Clone(h.name)
		h.it.Next()
		views = append(views, h)
		for i := range views {
			if h := &views[i]; viewSum(h.v) != h.sum || h.name != h.copy {
				t.Errorf("the view at %d has changed", h.v.Revision())
				return
			}
		}
	}
	for _, h := range views {
		it, n := h.it, 1
		for it.Next() {
			n++
		}
		if h.rest > 0 && n != h.rest {
			t.Errorf("an iterator of the view at %d passes %d facts of %d", h.v.Revision(), n, h.rest)
		}
	}
}

func (v View) someRow() Iter {
	y := v.Symbols()
	return v.Forward(v.Node(y.Lookup("doc"), "7"), y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0}))
}

var sumSeed = maphash.MakeSeed()

// viewSum reads all that v shows, by scan, row and key.
func viewSum(v View) (sum uint64) {
	y := v.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
	for tp := range v.Tuples(tuple.Filter{}) {
		object := v.Node(y.Lookup("doc"), tp.Object.ID)
		if _, ok := v.Find(object, shape, v.Node(y.Lookup("user"), tp.Subject.ID)); ok {
			sum += maphash.String(sumSeed, tp.String())
		}
	}
	for i := range 20 {
		for it := v.Forward(v.Node(y.Lookup("doc"), fmt.Sprint(i)), shape); it.Next(); {
			sum += maphash.String(sumSeed, v.Tuple(it.Fact()).String())
		}
	}
	return sum
}
