package store

import (
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func parse(t testing.TB, text string) tuple.Tuple {
	t.Helper()
	return must[tuple.Tuple](t)(tuple.ParseTuple(text))
}

func apply(t testing.TB, s *Store, rev uint64, cmds ...Command) []Outcome {
	t.Helper()
	e := Entry{Commands: cmds}
	return s.Apply(rev, e.Append(nil))
}

func TestStore_Smoke(t *testing.T) {
	s := New(Options{})
	apply(t, s, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "default"})
	tp := parse(t, "doc:a#viewer@group:g#member")
	if out := apply(t, s, 2, Command{Kind: KindWrite, Tenant: "default", Updates: []Update{{OpCreate, tp}}}); out[0].Code != OK {
		t.Fatal(out)
	}
	v := must[View](t)(s.View("default", 0))
	n := 0
	for got := range v.Tuples(tuple.Filter{Type: "doc"}) {
		n++
		if got != tp {
			t.Fatal(got)
		}
	}
	if n != 1 {
		t.Fatal(n)
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
}
