package graph

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pemba-authz/pemba/store"
)

// twoSides is an intersection, an exclusion and a union of a branch that takes many reads
// and one that takes one. Members may expire, so groups are entered.
const twoSides = `use expiration
	definition user {}
	definition group { relation member: user | group#member | user with expiration }
	definition doc {
		relation wide: group#member
		relation narrow: user
		permission both = wide & narrow
		permission but = wide - narrow
		relation few: group#member
		permission either = (wide + few) & narrow
	}`

// wideGroups is 50 groups that each document's wide readers are in one of: ann in the last.
func wideGroups(docs int, narrow func(i int) string) string {
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "group:all#member@group:g%d#member\n", i)
	}
	b.WriteString("group:g49#member@user:ann\n")
	b.WriteString("group:few#member@user:cid\n")
	for i := range docs {
		fmt.Fprintf(&b, "doc:d%d#wide@group:all#member\n", i)
		fmt.Fprintf(&b, "doc:d%d#few@group:few#member\n", i)
		if who := narrow(i); who != "" {
			fmt.Fprintf(&b, "doc:d%d#narrow@user:%s\n", i, who)
		}
	}
	return b.String()
}

// reads asks about each of the documents in turn, n questions with one walk, and returns
// what the last tenth of them read on average.
func (w *world) reads(walk *walk, permission, who string, docs, n int, want Decision) float64 {
	w.t.Helper()
	v, sum := w.view(), 0
	for i := range n {
		q := w.question(fmt.Sprintf("doc:d%d#%s@user:%s", i%docs, permission, who))
		r, err := w.graph.Resolve(v, q)
		if err != nil {
			w.t.Fatal(err)
		}
		var a Answer
		if err := walk.check(w.t.Context(), w.graph, &v, &r, &a); err != nil || a.Decision != want {
			w.t.Fatalf("question %d: %v %v", i, a.Decision, err)
		}
		if i >= n-n/10 {
			sum += a.Reads
		}
	}
	return float64(sum) / float64(n/10)
}

func TestOrder_WhatDecidesSoonestComesFirst(t *testing.T) {
	const docs, n = 20, 6000
	for _, test := range []struct {
		permission, who string
		narrow          string
		want            Decision
	}{
		{"both", "ann", "bob", Denied},
		{"but", "ann", "ann", Denied},
		{"either", "cid", "cid", Allowed},
	} {
		w := newWorld(t, twoSides, wideGroups(docs, func(int) string { return test.narrow }))
		w.graph.SetOrder(Fixed)
		inFixed := w.reads(new(walk), test.permission, test.who, docs, n/10, test.want)
		w.graph.SetOrder(Measured)
		measured := w.reads(new(walk), test.permission, test.who, docs, n, test.want)
		t.Logf("%s: %.1f reads, %.1f measured", test.permission, inFixed, measured)
		if inFixed < 50 || measured > inFixed/4 {
			t.Errorf("%s: %.1f reads, %.1f in the fixed order", test.permission, measured, inFixed)
		}
	}
}

// TestOrder_FollowsWhatChanges: the narrow side comes first while it denies at once, and
// last when it allows everybody and the wide one denies for one read.
func TestOrder_FollowsWhatChanges(t *testing.T) {
	const docs = 20
	w, walk := newWorld(t, twoSides, wideGroups(docs, func(int) string { return "bob" })), new(walk)
	w.graph.SetOrder(Measured)
	before := w.reads(walk, "both", "ann", docs, 6000, Denied)
	for i := range docs {
		w.write(fmt.Sprintf("doc:d%d#narrow@user:ann", i))
		w.writeTuples(parseTuples(t, fmt.Sprintf("doc:d%d#wide@group:all#member", i)), store.OpDelete)
	}
	if after := w.reads(walk, "both", "ann", docs, 200_000, Denied); before > 0.5 || after > 1.2 {
		t.Errorf("%.2f reads before and %.2f after the change", before, after)
	}
}

// TestOrder_LimitsAreThoseOfTheFixedOrder: the order that was measured with other
// documents takes too many reads on one, the fixed one does not.
func TestOrder_LimitsAreThoseOfTheFixedOrder(t *testing.T) {
	const docs = 20
	w := newWorld(t, twoSides+`
		definition page {
			relation doc: doc
			relation narrow: user
			permission see = narrow & doc->wide
		}`, wideGroups(docs, func(int) string { return "" })+`
		page:p#doc@doc:d0
		page:q#narrow@user:bob
		page:q#doc@doc:d0
		doc:empty#narrow@user:ann
		page:n#narrow@user:bob
		page:n#doc@doc:empty`)
	w.graph.SetOrder(Measured)
	walk, v := new(walk), w.view()
	ask := func(question string, most int) (a Answer, err error) {
		q := w.question(question)
		q.Limits.Reads = most
		r, err := w.graph.Resolve(v, q)
		if err != nil {
			t.Fatal(err)
		}
		err = walk.check(t.Context(), w.graph, &v, &r, &a)
		return a, err
	}
	for range 6000 { // bob is narrow, and what is wide denies him without a read
		if a, err := ask("page:n#see@user:bob", 0); err != nil || a.Decision != Denied {
			t.Fatal(a, err)
		}
	}
	turned := false
	for _, o := range w.graph.orderings {
		turned = turned || permutation(o.order.Load()) != fixed(len(o.branches))
	}
	if !turned {
		t.Fatal("the order is the fixed one")
	}
	for _, test := range []struct {
		question string
		limited  bool
	}{
		{"page:p#see@user:bob", false}, // no tuple says that anybody is narrow: denied at once
		{"page:q#see@user:bob", true},
	} {
		a, err := ask(test.question, 20)
		var limit *LimitError
		if got := errors.As(err, &limit); got != test.limited || !got && (err != nil || a.Decision != Denied) {
			t.Errorf("%s: %v %v", test.question, a.Decision, err)
		}
		if !test.limited && a.Reads <= 20 {
			t.Errorf("%s: %d reads, though it was decided twice", test.question, a.Reads)
		}
	}
}

// TestOrder_DecidedOnceMoreItCostsTheSame: what the first attempt has found out is not in
// the way of the second.
func TestOrder_DecidedOnceMoreItCostsTheSame(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "group:g%d#member@user:ann\nfolder:one#viewer@group:x%d#member\n", i, i)
		fmt.Fprintf(&b, "folder:many%d#viewer@group:x%d#member\nfolder:many%d#viewer@group:y%d#member\ndoc:d#others@folder:many%d\n", i, i, i, i, i)
	}
	w := newWorld(t, `
		definition user {}
		definition group { relation member: user }
		definition folder { relation viewer: group#member }
		definition doc {
			relation folder: folder
			relation others: folder
			permission one = folder->viewer
			permission many = others->viewer
			permission both = one & many
		}`, b.String()+"doc:d#folder@folder:one")
	q := w.question("doc:d#both@user:ann")
	fixed, err := w.ask(q)
	if err != nil || fixed.Decision != Denied {
		t.Fatal(fixed, err)
	}
	q.Limits.Reads = fixed.Reads
	w.graph.SetOrder(Shuffled)
	twice := 0
	for range 20 {
		a, err := w.ask(q)
		if err != nil || a.Decision != Denied {
			t.Fatal(a, err)
		}
		if a.Reads > fixed.Reads {
			twice++
		}
	}
	if twice == 0 {
		t.Error("no question is decided twice")
	}
}

func TestOrder_ManyAtOnce(t *testing.T) {
	const docs = 20
	w := newWorld(t, twoSides, wideGroups(docs, func(int) string { return "bob" }))
	w.graph.SetOrder(Measured)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			w.reads(new(walk), "both", "ann", docs, 3000, Denied)
			w.reads(new(walk), "but", "ann", docs, 3000, Allowed)
		})
	}
	all.Wait()
}

func TestOrder_Permutations(t *testing.T) {
	if p := fixed(16); p.at(0) != 0 || p.at(15) != 15 || permutation(0).at(7) != 7 {
		t.Errorf("%x", p)
	}
	if p := fixed(16).move(15, 0).move(3, 0); p.at(0) != 2 || p.at(1) != 15 || p.at(2) != 0 || p.at(15) != 14 {
		t.Errorf("%x", p)
	}
	if p := fixed(3).move(2, 0); p != 0x102 {
		t.Errorf("%x", p)
	}
	walk, seen := new(walk), map[permutation]int{}
	for range 2400 {
		seen[walk.shuffle(4)]++
	}
	for p, n := range seen {
		if len(seen) != 24 || n < 50 {
			t.Errorf("%d orders; %x %d times", len(seen), p, n)
		}
	}
}

func TestOrder_ExploresAShare(t *testing.T) {
	o := &ordering{branches: make([]measure, 3)}
	o.order.Store(uint64(fixed(3)))
	cheap, dear := uint64(1), uint64(10_000)
	for range 100_000 {
		p := permutation(o.order.Load())
		place := o.due(p)
		cost := cheap
		if p.at(place) == 1 {
			cost = dear
		}
		o.note(p.at(place), p.at(place) == 2, cost, place > 0)
	}
	if p := permutation(o.order.Load()); p.at(0) != 2 {
		t.Errorf("%x: what settles for one read is not first", p)
	}
	var explored uint64
	for i := range o.branches {
		explored += o.branches[i].explored
	}
	if explored > o.inTurn/exploreShare+dear+1 {
		t.Errorf("%d of %d spent out of turn", explored, o.inTurn)
	}
}

func BenchmarkCheck_Order(b *testing.B) {
	const docs = 20
	w := newWorld(b, twoSides, wideGroups(docs, func(int) string { return "bob" }))
	v := w.view()
	var rs []Resolved
	for i := range docs {
		r, err := w.graph.Resolve(v, w.question(fmt.Sprintf("doc:d%d#both@user:ann", i)))
		if err != nil {
			b.Fatal(err)
		}
		rs = append(rs, r)
	}
	for _, o := range []Order{Fixed, Measured} {
		b.Run(o.String(), func(b *testing.B) {
			w.graph.SetOrder(o)
			b.ReportAllocs()
			reads := 0
			for i := range b.N {
				a, err := w.graph.CheckResolved(b.Context(), v, &rs[i%docs])
				if err != nil || a.Decision != Denied {
					b.Fatal(a, err)
				}
				reads += a.Reads
			}
			b.ReportMetric(float64(reads)/float64(b.N), "reads/op")
		})
	}
}
