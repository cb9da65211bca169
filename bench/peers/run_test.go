package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/api/native"
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
)

// serve runs a server with some services until the test ends.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(validUnary), grpc.StreamInterceptor(validStream))
	register(server)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// servePemba runs the real thing.
func servePemba(t *testing.T) string {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(checker.Close)
	server := native.New(native.Config{Service: authz.New(node, checker, authz.Options{}), Log: quiet})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	return listener.Addr().String()
}

func parsed(t *testing.T, args ...string) *options {
	t.Helper()
	o, err := parseOptions(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// small are flags for a run that is over soon.
var small = []string{"--tuples", "1000", "--callers", "2", "--duration", "50ms", "--rounds", "1",
	"--questions", "30", "--lists", "1", "--judged", "20", "--verify", "10", "--token", fakeToken}

func TestRun_ComparesAllSystems(t *testing.T) {
	spice, openfga := &fakeSpice{imports: imports{bulk: true}}, &fakeFGA{}
	dir := t.TempDir()
	o := parsed(t, append(slices.Clone(small), "--workload", "docs", "--op", "check,batch,list-objects,list-subjects,write",
		"--batch", "5", "--sweep", "callers=1,3", "--sweep", "depth=2,3", "--sweep", "writes=0,50",
		"--pemba", servePemba(t), "--spicedb", serveSpice(t, spice), "--openfga", serveFGA(t, openfga),
		"--json", filepath.Join(dir, "r.json"), "--markdown", filepath.Join(dir, "r.md"), "--html", filepath.Join(dir, "r.html"))...)
	var out, log bytes.Buffer
	if err := run(t.Context(), o, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	data, err := os.ReadFile(filepath.Join(dir, "r.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	rows := slices.Clone(r.Rows)
	for _, s := range r.Sweeps {
		for _, step := range s.Rows {
			rows = append(rows, step.row)
		}
	}
	if len(rows) != 5+6 || len(r.Systems) != 3 || r.Agreed < 30 {
		t.Errorf("%d rows, %d systems, %d questions", len(rows), len(r.Systems), r.Agreed)
	}
	for _, row := range rows {
		for _, name := range systemNames {
			f := row.Systems[name]
			if f == nil || f.PerSecond <= 0 || f.P99 > 0 && f.P99 < f.P50 || len(f.Distribution) == 0 || row.Op == bench.Check && f.Verified == 0 {
				t.Errorf("%s, %s: %+v", row.point, name, f)
			}
		}
	}
	if page, err := os.ReadFile(filepath.Join(dir, "r.html")); err != nil || strings.Count(string(page), "<svg") < 5+3 { // and p99 over each sweep, if there were requests enough
		t.Errorf("the page has %d drawings, %v", strings.Count(string(page), "<svg"), err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "r.md")); err != nil || strings.Count(string(text), "| requests/s |") != 5+6 {
		t.Errorf("the section is %v\n%s", err, text)
	}
	if spice.size() != 0 || openfga.size() != 0 {
		t.Errorf("%d and %d tuples are left", spice.size(), openfga.size())
	}
}

// Each workload's schema means the same to each API.
func TestAgree_AboutEveryWorkload(t *testing.T) {
	pemba := servePemba(t)
	for _, workload := range bench.Workloads {
		spice, openfga := serveSpice(t, &fakeSpice{imports: imports{bulk: true}}), serveFGA(t, &fakeFGA{})
		c := &comparison{options: parsed(t, append(slices.Clone(small), "--workload", workload, "--questions", "80", "--lists", "0",
			"--pemba", pemba, "--spicedb", spice, "--openfga", openfga)...), log: io.Discard, report: &report{Systems: map[string]*installation{}}}
		if err := c.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.prepare(t.Context(), c.plan); err != nil {
			t.Errorf("%s: %v", workload, err)
		}
		if err := c.end(t.Context()); err != nil {
			t.Errorf("%s: %v", workload, err)
		}
	}
}

func TestRun_ADifferenceEndsIt(t *testing.T) {
	liar := &fakeFGA{}
	liar.wrong = func(id string) bool { return strings.HasSuffix(id, "7") }
	o := parsed(t, append(slices.Clone(small), "--workload", "docs", "--questions", "100", "--lists", "0",
		"--spicedb", serveSpice(t, &fakeSpice{imports: imports{bulk: true}}), "--openfga", serveFGA(t, liar))...)
	var out bytes.Buffer
	err := run(t.Context(), o, &out, io.Discard)
	var d *disagreement
	if !errors.As(err, &d) || len(d.differences) < 3 || !strings.Contains(err.Error(), "7 ") || !strings.Contains(err.Error(), "openfga says") {
		t.Errorf("a system that lies: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("there are figures all the same:\n%s", out.String())
	}
}

func TestRun_AListThatEndsEarlyIsADifference(t *testing.T) {
	a, b := []string{"a", "b", "c"}, []string{"a", "c"}
	if got := onlyOne(a, b); got != "the first has b" {
		t.Error(got)
	}
	if got := onlyOne(b, a); got != "the second has b" {
		t.Error(got)
	}
	if got := onlyOne(a, a[:2]); got != "the first has c" {
		t.Error(got)
	}
}

func TestRun_ColumnsOfAbsentSystemsStayEmpty(t *testing.T) {
	o := parsed(t, append(slices.Clone(small), "--workload", "nested", "--members", "100", "--openfga", serveFGA(t, &fakeFGA{}))...)
	var out bytes.Buffer
	if err := run(t.Context(), o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if fields := strings.Fields(line); strings.Contains(line, "requests/s") && len(fields) != 2 {
			t.Errorf("a figure of a system that is absent: %q", line)
		}
	}
	if !strings.Contains(out.String(), "spicedb") || !strings.Contains(out.String(), "pemba") {
		t.Errorf("a column is missing:\n%s", out.String())
	}
}

func TestRun_ASystemThatFailsHasNoFiguresButAReason(t *testing.T) {
	o := parsed(t, append(slices.Clone(small), "--workload", "nested", "--members", "100", "--op", "batch,check", "--pemba", servePemba(t),
		"--openfga", serveFGA(t, &fakeFGA{failed: status.Error(codes.Unavailable, "out of | order")}))...)
	var out bytes.Buffer
	if err := run(t.Context(), o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	batch, check, _ := strings.Cut(out.String(), "check, 2 callers")
	if !strings.Contains(batch, "out of | order") || !strings.Contains(batch, "requests/s") {
		t.Errorf("the batches:\n%s", batch)
	}
	_, rates, _ := strings.Cut(check, "requests/s")
	rates, _, _ = strings.Cut(rates, "\n")
	if strings.Contains(check, "failed") || len(strings.Fields(rates)) != 2 {
		t.Errorf("the checks:\n%s", check)
	}
}

func TestSpiceDB_KeepsWhatIsNotOurs(t *testing.T) {
	spice := &fakeSpice{source: "definition user {}", imports: imports{bulk: true}}
	addr := serveSpice(t, spice)
	o := parsed(t, append(slices.Clone(small), "--workload", "docs", "--spicedb", addr)...)
	if err := run(t.Context(), o, io.Discard, io.Discard); !errors.Is(err, errHasSchema) || spice.source != "definition user {}" {
		t.Errorf("a server with a schema: %v, which is now %q", err, spice.source)
	}
	o.replace = true
	if err := run(t.Context(), o, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestSpiceDB_ImportsByTheWaysThatThereAre(t *testing.T) {
	p, err := bench.Plan{Workload: bench.Docs, Tuples: 1000}.Population()
	if err != nil {
		t.Fatal(err)
	}
	for want, ways := range map[string]imports{"bulk": {bulk: true, experimental: true}, "experimental": {experimental: true}, "writes": {}} {
		spice := &fakeSpice{imports: ways}
		s, err := openSpiceDB(serveSpice(t, spice), fakeToken, 1, fast, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.install(t.Context(), p); err != nil || spice.imported != want || spice.size() != 1000 {
			t.Errorf("%s: %d tuples by %s, %v", want, spice.size(), spice.imported, err)
		}
		s.close()
	}
}
