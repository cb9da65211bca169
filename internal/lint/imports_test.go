package lint

import (
	"slices"
	"strings"
	"testing"
)

// A row says on which floor a package stands and which packages of the module
// its product code may import.
type row struct {
	dir   string // a directory, with everything below it
	floor int
	may   []string
}

// everything lets a row import any package on its floor or below.
const everything = "*"

// plan is the floor plan of the design. The first row that holds a directory
// counts.
var plan = []row{
	{"cmd", 7, []string{everything}},
	{"bench", 7, []string{everything, "internal/oracle"}}, // the reference that answers are verified with
	{"api/spicedb", 6, []string{"authz", "tuple", "proto", "graph"}},
	{"api/openfga", 6, []string{"authz", "tuple", "proto", "graph"}},
	{"api/node", 6, []string{"cluster", "store", "proto"}}, // what members say to each other, not to clients
	{"api", 6, []string{"authz", "iam", "tuple", "proto", "internal/telemetry"}},
	{"iam", 5, []string{"authz", "tuple"}},
	{"authz", 4, []string{"check", "cluster", "graph", "store", "tuple"}},
	{"check", 3, []string{"graph", "store", "tuple"}},
	{"cluster", 3, []string{"store", "tuple"}},
	{"graph", 2, []string{"store", "tuple", "internal/prefetch"}},
	{"store", 1, []string{"tuple", "internal/prefetch"}},
	{"tuple", 0, nil},
	{"client", 1, []string{"proto", "tuple"}},
	{"proto", 0, nil},
	{"examples", 7, []string{everything}},
	{"internal/invariant", 0, nil},
	{"internal/telemetry", 0, nil}, // for the rim: front doors and cmd
	{"internal/faulty", 0, nil},
	{"internal/prefetch", 0, nil},
	{"internal", 8, []string{everything}},
}

// wire lists the packages that may speak gRPC and protobuf.
var wire = []string{"api", "client", "cmd", "bench", "proto", "internal"}

// A home says where an outside library may be imported. Product and tests alike.
type home struct {
	library string   // an import path, with everything below it
	dirs    []string // nil = nowhere but in tests and internal
}

// homes lists every outside library. What is not listed needs a sentence in the
// commit that lists it.
var homes = []home{
	{"github.com/hashicorp/raft", []string{"cluster", "bench", "internal/testcluster"}}, // bench measures plain Raft beside pemba
	{"github.com/hashicorp/raft-boltdb", []string{"cluster", "bench"}},
	{"github.com/hashicorp/go-hclog", []string{"cluster", "bench"}},
	{"go.etcd.io/bbolt", []string{"cluster", "bench"}},
	{"github.com/golang-jwt/jwt", []string{"iam"}},                                  // assertions of authorized keys: signatures are no place for own code
	{"github.com/yandex-cloud/go-genproto", []string{"api/iam", "cmd", "internal"}}, // the vendor's API definitions
	{"cel.dev/cel-go", []string{"graph"}},
	{"github.com/dgraph-io/ristretto", []string{"check"}},
	{"google.golang.org/grpc", wire},
	{"google.golang.org/protobuf", wire},
	{"google.golang.org/genproto", wire},
	{"go.opentelemetry.io/otel", []string{"internal/telemetry"}},
	{"github.com/prometheus/client_golang", []string{"cmd"}},
	{"github.com/google/uuid", []string{"cluster", "authz", "client", "cmd", "bench", "internal"}},
	{"github.com/spf13/cobra", []string{"cmd"}},
	{"github.com/spf13/pflag", []string{"cmd"}},
	{"go.yaml.in/yaml", []string{"cmd", "bench", "internal"}},
	{"github.com/HdrHistogram/hdrhistogram-go", []string{"bench", "cmd"}},
	{"golang.org/x/sys", []string{"cluster", "cmd", "store"}},

	{"pgregory.net/rapid", nil},
	{"github.com/google/go-cmp", nil},
	{"github.com/cockroachdb/datadriven", nil},
	{"github.com/rogpeppe/go-internal", nil},
	{"github.com/anishathalye/porcupine", nil},
}

func TestImports_FollowTheFloorPlan(t *testing.T) {
	for _, f := range goFiles(t) {
		from, ok := rowOf(f.dir)
		if !ok {
			t.Errorf("%s: package %s has no row in the floor plan", f.path, f.dir)
			continue
		}
		for _, path := range f.imports() {
			dir, own := strings.CutPrefix(path, module+"/")
			if own && !mayImport(f, from, dir) {
				t.Errorf("%s: %s may not import %s", f.path, f.dir, dir)
			}
		}
	}
}

func TestImports_KeepLibrariesAtHome(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, path := range f.imports() {
			first, _, _ := strings.Cut(path, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(path, module+"/") {
				continue
			}
			i := slices.IndexFunc(homes, func(h home) bool { return isOrBelow(path, h.library) })
			switch {
			case i < 0:
				t.Errorf("%s: %s has no home; list it with a reason", f.path, path)
			case homes[i].dirs == nil && !f.test && !within(f.dir, []string{"internal"}):
				t.Errorf("%s: %s is for tests only", f.path, path)
			case f.test && within(f.dir, []string{"cmd"}): // tests of the binary inject faults at every seam
			case homes[i].dirs != nil && !within(f.dir, homes[i].dirs):
				t.Errorf("%s: %s is at home in %s only", f.path, path, strings.Join(homes[i].dirs, ", "))
			}
		}
	}
}

// mayImport applies the plan. Product code follows its row; tests may also use
// every lower floor and the vehicles in internal.
func mayImport(f goFile, from row, dir string) bool {
	if within(dir, []string{f.dir, from.dir}) || dir == "internal/invariant" || dir == "internal/faulty" {
		return true
	}
	to, ok := rowOf(dir)
	if !ok {
		return false
	}
	if f.test && (to.floor < from.floor || to.dir == "internal") {
		return true
	}
	if slices.Contains(from.may, everything) && to.floor <= from.floor && to.dir != "cmd" {
		return true
	}
	return within(dir, from.may)
}

func rowOf(dir string) (row, bool) {
	i := slices.IndexFunc(plan, func(r row) bool { return within(dir, []string{r.dir}) })
	if i < 0 {
		return row{}, false
	}
	return plan[i], true
}

// isOrBelow reports whether path is library, one of its packages or one of its
// major versions.
func isOrBelow(path, library string) bool {
	return path == library || strings.HasPrefix(path, library+"/")
}

func TestMayImport_AppliesTheTable(t *testing.T) {
	for _, c := range []struct {
		dir, to string
		test    bool
		want    bool
	}{
		{"check", "graph", false, true},
		{"check", "cluster", false, false},
		{"check", "cluster", true, false},
		{"graph", "authz", true, false},
		{"api/native", "proto/pemba/v1", false, true},
		{"api/native", "graph", false, false},
		{"api/native", "cluster", true, true},
		{"api/openfga", "graph", false, true},
		{"store", "internal/scenario", false, false},
		{"store", "internal/scenario", true, true},
		{"store", "internal/invariant", false, true},
		{"bench", "cmd/pemba", false, false},
		{"bench", "internal/oracle", false, true},
		{"bench", "internal/scenario", false, false},
	} {
		from, _ := rowOf(c.dir)
		if got := mayImport(goFile{dir: c.dir, test: c.test}, from, c.to); got != c.want {
			t.Errorf("may %s (test %v) import %s: got %v", c.dir, c.test, c.to, got)
		}
	}
}
