package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

const dir = "testdata/scenarios"

func files(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d scenarios in %s (%v), want at least 50", len(paths), dir, err)
	}
	return paths
}

func name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txt") }

// TestScenarios runs every file on the graph alone. -rewrite regenerates them.
func TestScenarios(t *testing.T) {
	for _, path := range files(t) {
		t.Run(name(path), func(t *testing.T) {
			r := &Run{Engine: NewDirect()}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				return r.Command(d)
			})
		})
	}
}

func TestScenarios_AfterRestore(t *testing.T) {
	rerun(t, func(*testing.T) Engine {
		d := NewDirect()
		d.Restored = true
		return d
	})
}

// skipper is an engine that cannot do all commands.
type skipper interface {
	Skips(*datadriven.TestData) bool
}

// rerun runs every file on another engine, which must decide alike.
func rerun(t *testing.T, engine func(t *testing.T) Engine) {
	for _, path := range files(t) {
		t.Run(name(path), func(t *testing.T) {
			e := engine(t)
			r := &Run{Engine: e}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if s, ok := e.(skipper); ok && s.Skips(d) {
					return d.Expected
				}
				got := r.Command(d)
				if Decisions(got) == Decisions(d.Expected) {
					return d.Expected
				}
				return got
			})
		})
	}
}

// TestScenarios_BeginWithProse: the header says what a reader learns.
func TestScenarios_BeginWithProse(t *testing.T) {
	for _, path := range files(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		if !strings.HasPrefix(first, "# ") || !strings.Contains(first, " ") || len(first) < 20 {
			t.Errorf("%s begins with %q, not with a sentence", path, first)
		}
	}
}
