package main

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/graph"
)

func TestOptions_AreChecked(t *testing.T) {
	for _, args := range []string{
		"", "--pemba a --spawn b", "--pemba a extra", "--pemba a --op stream", "--pemba a --callers 0", "--pemba a --sweep width=1",
		"--pemba a --sweep callers=0", "--pemba a --sweep callers=x", "--pemba a --tuples 1G", "--pemba a --consistency some",
		"--pemba a --op batch:0", "--pemba a --rounds 0", "--pemba a --zipf 1", "--openfga a --cpuprofile f", "--pemba a --lists -1",
	} {
		if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	o := parsed(t, "--pemba", "a", "--tuples", "1M", "--callers", "1,2", "--sweep", "tuples=10k,2M")
	if o.plan.Tuples != 1_000_000 || len(o.callers) != 2 || o.sweeps[0].values[1] != 2_000_000 {
		t.Errorf("%+v", o)
	}
}

func TestOptions_AnOperationMayHaveItsOwnCallers(t *testing.T) {
	o := parsed(t, "--pemba", "a", "--op", "check,batch:4", "--callers", "1,2")
	want := []point{{Op: bench.Check, Callers: 1}, {Op: bench.Check, Callers: 2}, {Op: bench.Batch, Callers: 4}}
	if got := o.points(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestModelOf_RefusesWhatHasNoWord(t *testing.T) {
	schema, err := graph.Parse(`definition user {}
		definition doc { relation parent: doc; relation viewer: user; permission view = parent.all(viewer) }`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := modelOf(schema); err == nil || !strings.Contains(err.Error(), "doc#view") {
		t.Errorf(".all() is translated: %v", err)
	}
}

func TestChart_IsWellFormed(t *testing.T) {
	s := sweep{Parameter: "writes"}
	for _, v := range []int{0, 10, 1000} {
		f := &figures{PerSecond: 1234.5, P99: float64(v + 1)}
		s.Rows = append(s.Rows, sweepStep{v, row{point: point{Op: bench.Check}, Systems: map[string]*figures{"pemba": f, "openfga": f}}})
	}
	c := s.curve("p99, µs <&>", func(f *figures) float64 { return f.P99 })
	decoder := xml.NewDecoder(strings.NewReader(c.svg()))
	lines := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 2 {
		t.Errorf("%d lines", lines)
	}
	if empty := (&chart{}).svg(); empty != "" {
		t.Errorf("a chart without points: %s", empty)
	}
}

func TestProfile_IsFetchedOnce(t *testing.T) {
	asked := 0
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		io.WriteString(w, r.URL.String())
	}))
	defer admin.Close()
	p := &profile{admin: strings.TrimPrefix(admin.URL, "http://"), file: filepath.Join(t.TempDir(), "cpu")}
	for _, name := range []string{"spicedb", "pemba", "pemba"} {
		p.take(t.Context(), &system{name: name}, 3*time.Second)
	}
	if got, err := os.ReadFile(p.file); asked != 1 || string(got) != "/debug/pprof/profile?seconds=3" || p.err != nil {
		t.Errorf("asked %d times, %q, %v, %v", asked, got, err, p.err)
	}
}

func TestProcessorTime_Grows(t *testing.T) {
	before, err := processorTime(os.Getpid())
	if err != nil {
		t.Skip("no /proc:", err)
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		if after, _ := processorTime(os.Getpid()); after > before {
			return
		}
	}
	t.Error("it does not grow")
}
