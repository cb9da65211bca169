package bench

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/graph"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// hotSchema inherits over four levels and has everything else that a question
// may meet on its way.
const hotSchema = `
caveat in_hours(hour int, from int, until int) { hour >= from && hour < until }
definition user {}
definition group { relation member: user | group#member }
definition organization { relation viewer: user
	permission view = viewer }
definition cloud { relation organization: organization; relation viewer: user
	permission view = viewer + organization->view }
definition folder { relation cloud: cloud; relation viewer: user
	permission view = viewer + cloud->view }
definition instance { relation folder: folder
	relation viewer: user | user with in_hours | group#member
	relation banned: user
	permission view = viewer + folder->view
	permission see = view - banned }`

// hotTuples put one subject at the end of each way to instance:i.
func hotTuples(t testing.TB) iter.Seq[tuple.Tuple] {
	var b strings.Builder
	b.WriteString(`cloud:c#organization@organization:o
folder:f#cloud@cloud:c
instance:i#folder@folder:f
organization:o#viewer@user:inherited
instance:i#viewer@user:direct
instance:i#viewer@user:caveat[in_hours:{"from":9,"until":17}]
instance:i#viewer@user:banned
instance:i#banned@user:banned
instance:i#viewer@group:g0#member
group:g4#member@user:nested
instance:w#viewer@group:wide#member
`)
	for i := range 4 {
		fmt.Fprintf(&b, "group:g%d#member@group:g%d#member\n", i, i+1)
	}
	for i := range 10_000 {
		fmt.Fprintf(&b, "group:wide#member@user:w%d\n", i)
	}
	return func(yield func(tuple.Tuple) bool) {
		for line := range strings.Lines(b.String()) {
			tup, err := tuple.ParseTuple(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if !yield(tup) {
				return
			}
		}
	}
}

// hot are the questions of the hot path. Those with a caveat build the caveat's
// arguments, which allocates.
var hot = []struct {
	name, object, permission, subject string
	context                           string // JSON
	want                              graph.Decision
}{
	{name: "Direct", object: "i", permission: "viewer", subject: "direct", want: graph.Allowed},
	{name: "Inherited4", object: "i", permission: "view", subject: "inherited", want: graph.Allowed},
	{name: "Nested5", object: "i", permission: "viewer", subject: "nested", want: graph.Allowed},
	{name: "Wide10000", object: "w", permission: "viewer", subject: "w7777", want: graph.Allowed},
	{name: "Exclusion", object: "i", permission: "see", subject: "direct", want: graph.Allowed},
	{name: "Excluded", object: "i", permission: "see", subject: "banned", want: graph.Denied},
	{name: "Caveat", object: "i", permission: "viewer", subject: "caveat", context: `{"hour":12}`, want: graph.Allowed},
	{name: "Denied", object: "i", permission: "view", subject: "w7777", want: graph.Denied},
	{name: "DeniedUnknown", object: "i", permission: "view", subject: "nobody", want: graph.Denied},
}

// A hotWay asks a question over and over; it says what one costs.
type hotWay struct {
	name     string
	promised bool // to allocate nothing
	ask      func() (graph.Decision, error)
}

// hotWays are the ways of asking the i-th of hot: with ids resolved, from
// strings, and through the service, whose cache is off and on.
func hotWays(t testing.TB, i int, g *graph.Graph, view store.View, services ...namedService) []hotWay {
	h := hot[i]
	given := decodeContext(t, h.context)
	object := tuple.Object{Type: "instance", ID: h.object}
	subject := tuple.Subject{Type: "user", ID: h.subject}
	q := &graph.Question{Object: object, Permission: h.permission, Subjects: []tuple.Subject{subject},
		Context: given, Now: time.Now().UnixNano()}
	resolved, err := g.Resolve(view, q)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	ways := []hotWay{
		{"resolved", h.context == "", func() (graph.Decision, error) {
			a, err := g.CheckResolved(ctx, view, &resolved)
			return a.Decision, err
		}},
		{"strings", h.context == "", func() (graph.Decision, error) {
			a, err := g.Check(ctx, view, q)
			return a.Decision, err
		}},
	}
	for _, s := range services {
		r := authz.CheckRequest{Question: authz.Question{Object: object, Permission: h.permission, Subject: subject, Context: given}}
		ways = append(ways, hotWay{s.name, false, func() (graph.Decision, error) {
			a, err := s.Check(ctx, r)
			return a.Decision, err
		}})
	}
	return ways
}

type namedService struct {
	name string
	*authz.Service
}

func decodeContext(t testing.TB, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	values, err := tuple.DecodeContext([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// hotService is a service on one node with the tuples of the hot path.
func hotService(t testing.TB, cache int64) *authz.Service {
	t.Helper()
	s := service(t, cache)
	if _, _, err := s.WriteSchema(t.Context(), authz.Caller{}, authz.WriteSchemaRequest{Source: hotSchema}); err != nil {
		t.Fatal(err)
	}
	var updates []authz.Update
	flush := func() {
		if _, err := s.Write(t.Context(), authz.Caller{}, authz.WriteRequest{Updates: updates}); err != nil {
			t.Fatal(err)
		}
		updates = nil
	}
	for tup := range hotTuples(t) {
		if updates = append(updates, authz.Update{Op: store.OpTouch, Tuple: tup}); len(updates) == 5000 {
			flush()
		}
	}
	flush()
	return s
}

func TestHotPath_AllocatesNothing(t *testing.T) {
	g, view := memory(t, hotSchema, hotTuples(t))
	for i, h := range hot {
		for _, way := range hotWays(t, i, g, view) {
			n := testing.AllocsPerRun(1000, func() {
				if got, err := way.ask(); err != nil || got != h.want {
					t.Fatalf("%s, %s: %v, %v", h.name, way.name, got, err)
				}
			})
			if way.promised && n != 0 && !racing {
				t.Errorf("%s, %s: %v allocations", h.name, way.name, n)
			}
		}
	}
}

func TestHotPath_AllocatesNothingInTheService(t *testing.T) {
	s := namedService{"service", hotService(t, -1)}
	g, view := memory(t, hotSchema, hotTuples(t))
	for i, h := range hot {
		way := hotWays(t, i, g, view, s)[2]
		n := testing.AllocsPerRun(1000, func() {
			if got, err := way.ask(); err != nil || got != h.want {
				t.Fatalf("%s: %v, %v", h.name, got, err)
			}
		})
		if h.context == "" && n > 0 && !racing {
			t.Errorf("%s: %v allocations", h.name, n)
		}
	}
}

func BenchmarkHotPath(b *testing.B) {
	g, view := memory(b, hotSchema, hotTuples(b))
	services := []namedService{{"service", hotService(b, -1)}, {"cached", hotService(b, 64<<20)}}
	for i, h := range hot {
		for _, way := range hotWays(b, i, g, view, services...) {
			b.Run(h.name+"/"+way.name, func(b *testing.B) {
				if got, err := way.ask(); err != nil || got != h.want {
					b.Fatal(got, err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := way.ask(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
