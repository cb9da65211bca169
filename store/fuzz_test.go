package store

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func FuzzDecodeEntry(f *testing.F) {
	src := &source{r: rand.New(rand.NewPCG(1, 1)), now: int64(time.Hour)}
	for rev := uint64(2); rev < 20; rev++ {
		e := Entry{Commands: entry(src, rev)}
		f.Add(e.Append(nil))
	}
	for _, value := range [][]byte{nil, {}, []byte("v")} {
		e := Entry{Commands: []Command{
			{Kind: KindInit, ClusterID: "c", ClusterSecret: secret, Tenant: "default"},
			{Kind: KindWrite, Tenant: "default", Preconditions: []Precondition{{Kind: PreRecordEquals, Record: "1", Value: value}}},
		}}
		f.Add(e.Append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEntry(data)
		if err != nil {
			return
		}
		again, err := DecodeEntry(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatal(diff)
		}
		s := ready(t)
		s.Apply(2, data)
		if err := s.Verify(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzRestore(f *testing.F) {
	src := &source{r: rand.New(rand.NewPCG(2, 2)), now: int64(time.Hour)}
	s := ready(f)
	for rev := uint64(2); rev < 30; rev++ {
		apply(f, s, rev, entry(src, rev)...)
	}
	var buf bytes.Buffer
	if _, err := s.Capture().WriteTo(&buf); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		n := New(Options{})
		if n.Restore(bytes.NewReader(data)) != nil {
			return
		}
		if err := n.Verify(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzFacts reads a tuples section behind the checksums, where hostile bytes
// would otherwise hardly get.
func FuzzFacts(f *testing.F) {
	s := ready(f)
	apply(f, s, 2, write(f, OpTouch, "doc:a#viewer@user:x[ip:{\"a\":1}]", "doc:a#viewer@group:g#member", "doc:b#viewer@user:*"))
	g := s.state.Load().space("default").gen.Load()
	b := newFactBlock(g, g.nodes.len())
	for ref := uint32(1); ref <= g.facts.len(); ref++ {
		b.add(g.facts.at(ref), 2, 0)
	}
	f.Add(b.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reader{data: data}
		d := r.facts()
		if r.end() != nil {
			return
		}
		s := ready(t)
		l := loader{syms: s.syms, state: state{revision: 1 << 40, tenants: s.state.Load().tenants}}
		l.cur = newTenantLoader(s.state.Load().space("default").gen.Load(), &l.state)
		if l.takeFacts(&d) != nil || l.finishTenant() != nil {
			return
		}
		s.state.Store(&l.state)
		if err := s.Verify(); err != nil {
			t.Fatal(err)
		}
	})
}
