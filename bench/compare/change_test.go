package main

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse_ReadsMetricsOnly(t *testing.T) {
	got := parse(`goos: linux
BenchmarkCheck/iam-2         	       1	         0 allocs/check	        23.86 reads/check
BenchmarkApply/100-2         	       1	        12 ns/op	    0.1054 allocs/tuple
BenchmarkUnary               	       1	       154.0 allocs/check
PASS
`)
	want := figures{"Check/iam allocs/check": 0, "Check/iam reads/check": 23.86, "Apply/100 allocs/tuple": 0.1054, "Unary allocs/check": 154}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCompare_FindsWhatIsWorse(t *testing.T) {
	for _, c := range []struct {
		name    string
		was, is float64
		worse   bool
	}{
		{"x allocs/check", 0, 0.05, false},
		{"x allocs/check", 0, 1, true},
		{"x allocs/check", 154, 155, false},
		{"x allocs/check", 154, 158, true},
		{"x reads/check", 23.86, 23.86, false},
		{"x reads/check", 23.86, 24.5, true},
		{"x reads/check", 23.86, 10, false},
		{"x instructions/check", 20_000, 20_500, false},
		{"x instructions/check", 20_000, 21_000, true},
		{"x allowed/check", 0.3, 0.301, true},
		{"x allowed/check", 0.3, 0.299, true},
	} {
		changes := compare(figures{c.name: c.was}, figures{c.name: c.is})
		if len(changes) != 1 || changes[0].worse != c.worse {
			t.Errorf("%s from %v to %v: %+v", c.name, c.was, c.is, changes)
		}
	}
}

func TestCompare_AFigureThatIsGoneIsWorseAndANewOneIsNot(t *testing.T) {
	changes := compare(figures{"a allocs/check": 1}, figures{"b allocs/check": 1})
	if !changes[0].worse || changes[1].worse {
		t.Errorf("%+v", changes)
	}
	var out strings.Builder
	if n := printChanges(&out, "abc", changes); n != 1 || !strings.Contains(out.String(), "WORSE") {
		t.Errorf("%d worse:\n%s", n, out.String())
	}
	if n := printChanges(io.Discard, "abc", compare(figures{"a allocs/check": 1}, figures{"a allocs/check": 1})); n != 0 {
		t.Errorf("%d worse of the same", n)
	}
}
