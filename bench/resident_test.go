//go:build linux

package bench

import (
	"fmt"
	"iter"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// BenchmarkResident reports what a tuple takes of the machine's memory, in bytes:
// anonymous resident memory of this process with a population less that without,
// after the horizon has passed the import. Ids have 20 to 36 characters; how many
// different ones there are a tuple is reported, too. It counts memory once, so
// -benchtime says nothing.
func BenchmarkResident(b *testing.B) {
	worlds.last = nil
	p := planned(b, Plan{Workload: IAM, Tuples: benchTuples(b)})
	source, _ := p.Schema()
	w := emptyWorld(b, source)
	before := anonymous()
	var updates []store.Update
	for t := range long(p.Tuples()) {
		if updates = append(updates, store.Update{Op: store.OpCreate, Tuple: t}); len(updates) == 1000 {
			w.write(b, updates)
			updates = updates[:0]
		}
	}
	w.write(b, updates)
	updates = nil
	loaded := anonymous()
	w.apply(b, store.Command{Kind: store.KindWrite, Tenant: "default", Updates: []store.Update{{Op: store.OpTouch, Tuple: p.Scratch("x", "y")}}})
	w.apply(b, store.Command{Kind: store.KindHorizon, Horizon: w.revision})
	after := anonymous()
	runtime.KeepAlive(w)
	for b.Loop() { // what is measured does not repeat
	}
	b.ReportMetric(float64(loaded-before)/float64(p.Size()), "loaded-B/tuple")
	b.ReportMetric(float64(after-before)/float64(p.Size()), "B/tuple")
	b.ReportMetric(uniqueIDs(p), "ids/tuple")
	b.ReportMetric(0, "ns/op")
}

// anonymous is the resident memory of this process without files, after garbage
// has been given back.
func anonymous() int64 {
	debug.FreeOSMemory()
	return procKilobytes(fmt.Sprintf("/proc/%d/status", os.Getpid()), "RssAnon") * 1024
}

// long gives every id 20 to 36 characters.
func long(tuples iter.Seq[tuple.Tuple]) iter.Seq[tuple.Tuple] {
	return func(yield func(tuple.Tuple) bool) {
		for t := range tuples {
			t.Object.ID, t.Subject.ID = longID(t.Object.ID), longID(t.Subject.ID)
			if !yield(t) {
				return
			}
		}
	}
}

func longID(id string) string {
	h := uint64(14695981039346656037)
	for _, c := range []byte(id) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	length := 20 + int(mix(h)%17)
	return id + "-" + strings.Repeat("x", max(0, length-len(id)-1))
}

// uniqueIDs is the number of different objects and subjects a tuple.
func uniqueIDs(p *Population) float64 {
	seen := make(map[uint64]struct{})
	for t := range p.Tuples() {
		for _, o := range []tuple.Object{t.Object, t.Subject.Object()} {
			h := uint64(14695981039346656037)
			for _, c := range []byte(o.String()) {
				h = (h ^ uint64(c)) * 1099511628211
			}
			seen[mix(h)] = struct{}{}
		}
	}
	return float64(len(seen)) / float64(p.Size())
}
