package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/bench"
)

func TestMarkdown_HoldsSeveralRuns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.md")
	for _, rate := range []float64{1234, 5678} {
		r := report{busyness: busyness{Others: -1}, Systems: map[string]*installation{"openfga": {}},
			Rows: []row{{point: point{Op: bench.Check, Callers: 2}, Systems: map[string]*figures{"openfga": {PerSecond: rate}}}}}
		if err := r.appendMarkdown(file); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| | pemba | spicedb | openfga |", "**check, 2 callers**", "| requests/s |  |  | 1234 |", "| requests/s |  |  | 5678 |", "not known"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%q is missing in\n%s", want, data)
		}
	}
}

func TestReport_LeavesOutWhatTooFewRequestsCannotTell(t *testing.T) {
	if got := duration(0) + count(0); got != "" {
		t.Errorf("an absent figure is shown as %q", got)
	}
	if got := duration(60e6); got != "a minute or more" {
		t.Errorf("the most that a histogram holds is shown as %q", got)
	}
}

func TestProgramOf_KnowsThisOne(t *testing.T) {
	p := programOf(os.Getpid())
	if p == (program{}) {
		t.Skip("no /proc")
	}
	if !strings.Contains(p.Version, "go1.") || !strings.Contains(p.Command, ".test") || strings.HasPrefix(p.Command, "/") {
		t.Errorf("%+v", p)
	}
	if none := programOf(0); none != (program{}) {
		t.Errorf("no process is %+v", none)
	}
}

func TestPublished_ShowsNoSecretAndNoPath(t *testing.T) {
	args := []string{"/opt/bin/server", "serve", "--grpc-preshared-key", "k1", "--token=k2", "--datastore-uri", "file:/x/y", "--addr", "127.0.0.1:1", "--data=/tmp/d", "--quiet", "two words", "/tmp/e"}
	want := "server serve --grpc-preshared-key ... --token=... --datastore-uri ... --addr 127.0.0.1:1 --data=d --quiet \"two words\" e"
	if got := published(args); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOthersSince_IsAShareOrUnknown(t *testing.T) {
	before := usedNow([]int{os.Getpid()})
	if !before.known {
		t.Skip("no /proc")
	}
	for usedNow(nil).all == before.all { // until the clock has ticked
	}
	if got := usedNow([]int{os.Getpid()}).othersSince(before); got < 0 || got > 1 {
		t.Errorf("a share of %g", got)
	}
	if got := usedNow([]int{0}).othersSince(before); got != -1 {
		t.Errorf("an unknown process: %g", got)
	}
}
