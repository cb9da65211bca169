package store

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// filled returns a store with n tuples: documents with a parent folder, and
// viewers of which every tenth is a group.
func filled(tb testing.TB, n int) *Store {
	tb.Helper()
	s := ready(tb)
	const batch = 1000
	for done, rev := 0, uint64(2); done < n; rev++ {
		c := Command{Kind: KindWrite, Tenant: "default", Time: int64(rev)}
		for range min(batch, n-done) {
			c.Updates = append(c.Updates, Update{OpTouch, nth(done)})
			done++
		}
		apply(tb, s, rev, c)
	}
	return s
}

func nth(i int) tuple.Tuple {
	t := tuple.Tuple{Object: tuple.Object{Type: "doc", ID: fmt.Sprint("doc-", i/2)}}
	switch {
	case i%2 == 0:
		t.Relation, t.Subject = "parent", tuple.Subject{Type: "folder", ID: fmt.Sprint("folder-", i/200)}
	case i%20 == 1:
		t.Relation, t.Subject = "viewer", tuple.Subject{Type: "group", ID: fmt.Sprint("group-", i%977), Relation: "member"}
	default:
		t.Relation, t.Subject = "viewer", tuple.Subject{Type: "user", ID: fmt.Sprint("user-", i%9973)}
	}
	return t
}

func BenchmarkView_Find(b *testing.B) {
	s := filled(b, 100_000)
	v := must[View](b)(s.View("default", 0))
	y := s.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
	var objects, subjects [1024]Node
	for i := range objects {
		t := nth(2*(i*37%5000)*10 + 3)
		objects[i] = v.Node(y.Lookup("doc"), t.Object.ID)
		subjects[i] = v.Node(y.Lookup("user"), t.Subject.ID)
	}
	b.ReportAllocs()
	found := 0
	for i := 0; b.Loop(); i++ {
		if _, ok := v.Find(objects[i&1023], shape, subjects[i&1023]); ok {
			found++
		}
	}
	if found == 0 {
		b.Fatal("nothing found")
	}
}

func BenchmarkView_Node(b *testing.B) {
	s := filled(b, 100_000)
	v := must[View](b)(s.View("default", 0))
	typ := s.Symbols().Lookup("doc")
	var ids [1024]string
	for i := range ids {
		ids[i] = fmt.Sprint("doc-", i*37)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v.Node(typ, ids[i&1023])
	}
}

func BenchmarkView_Forward(b *testing.B) {
	s := filled(b, 100_000)
	v := must[View](b)(s.View("default", 0))
	y := s.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("parent"), y.Lookup("folder"), 0})
	object := v.Node(y.Lookup("doc"), "doc-77")
	b.ReportAllocs()
	for b.Loop() {
		for it := v.Forward(object, shape); it.Next(); {
			_ = it.Fact()
		}
	}
}

// BenchmarkApply_OneTuple applies entries of one command with one new tuple.
func BenchmarkApply_OneTuple(b *testing.B) {
	s := ready(b)
	entries := make([][]byte, b.N)
	for i := range entries {
		e := Entry{Commands: []Command{{Kind: KindWrite, Tenant: "default", Updates: []Update{{OpTouch, nth(i)}}}}}
		entries[i] = e.Append(nil)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i, e := range entries {
		s.Apply(uint64(i)+2, e)
	}
}

// BenchmarkApply_Import applies commands of 1,000 new tuples each.
func BenchmarkApply_Import(b *testing.B) {
	const batch, n = 1000, 300
	var entries [n][]byte
	for i := range entries {
		c := Command{Kind: KindWrite, Tenant: "default"}
		for j := range batch {
			c.Updates = append(c.Updates, Update{OpTouch, nth(i*batch + j)})
		}
		entries[i] = (&Entry{Commands: []Command{c}}).Append(nil)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := ready(b)
		for i, e := range entries {
			s.Apply(uint64(i)+2, e)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch/n, "ns/tuple")
}

// BenchmarkMemory reports the heap that a tuple takes, names and indexes
// included, and the parts of it (spare is a part of rows).
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		s := filled(b, n)
		b.ReportMetric(float64(heap()-before)/n, "B/tuple")
		m := s.Stats().Memory
		for part, bytes := range map[string]int64{
			"facts": m.Facts, "extras": m.Extras, "rows": m.Rows, "spare": m.Spare, "names": m.Names, "index": m.Index, "changes": m.Changes,
		} {
			b.ReportMetric(float64(bytes)/n, part+"-B/tuple")
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkSnapshot(b *testing.B) {
	const n = 200_000
	s := filled(b, n)
	var buf bytes.Buffer
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			buf.Reset()
			if _, err := s.Capture().WriteTo(&buf); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/tuple")
		b.ReportMetric(float64(buf.Len())/n, "B/tuple")
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if err := New(Options{}).Restore(bytes.NewReader(buf.Bytes())); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/tuple")
	})
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			s.Hash()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/tuple")
	})
	b.Run("collect", func(b *testing.B) {
		g := s.state.Load().space("default").gen.Load()
		for b.Loop() {
			g.rebuild(1)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/tuple")
	})
}

// BenchmarkView_Random looks up names and tuples all over a million tuples, so
// that most of what it reads is in no cache of the processor.
func BenchmarkView_Random(b *testing.B) {
	const n = 1_000_000
	s := filled(b, n)
	v := must[View](b)(s.View("default", 0))
	y := s.Symbols()
	shape := y.LookupShape(Shape{y.Lookup("doc"), y.Lookup("viewer"), y.Lookup("user"), 0})
	doc, user := y.Lookup("doc"), y.Lookup("user")
	var tuples [1 << 17]tuple.Tuple
	var objects, subjects [len(tuples)]Node
	for i := range tuples {
		tuples[i] = nth(i*7919%(n/20)*20 + 3)
		objects[i], subjects[i] = v.Node(doc, tuples[i].Object.ID), v.Node(user, tuples[i].Subject.ID)
	}
	b.Run("find", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, ok := v.Find(objects[i%len(tuples)], shape, subjects[i%len(tuples)]); !ok {
				b.Fatal(i)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.Find(objects[i%len(tuples)], shape, subjects[(i+1)%len(tuples)])
		}
	})
	b.Run("node", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			v.Node(doc, tuples[i%len(tuples)].Object.ID)
		}
	})
	b.Run("nodes", func(b *testing.B) { // of 16 at a time
		var keys [16]NodeKey
		var out [16]Node
		for i := 0; b.Loop(); i += len(keys) {
			for j := range keys {
				keys[j] = NodeKey{Type: doc, ID: tuples[(i+j)%len(tuples)].Object.ID}
			}
			v.Nodes(keys[:], out[:])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(keys)), "ns/node")
	})
	b.Run("forward", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			for it := v.Forward(objects[i%len(tuples)], shape); it.Next(); {
				_ = it.Fact()
			}
		}
	})
}
