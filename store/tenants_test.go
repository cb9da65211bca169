package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTenantMap_OldOnesDoNotChange makes random changes and compares all maps
// that there have been with plain ones.
func TestTenantMap_OldOnesDoNotChange(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, seed))
	var m tenantMap
	now := map[string]uint64{}
	type past struct {
		m    tenantMap
		want map[string]uint64
	}
	var all []past
	for i := range uint64(800) {
		name := fmt.Sprint("t", r.IntN(400))
		if m.get(name) != nil {
			m = m.without(name)
			delete(now, name)
		} else {
			m = m.with(&space{info: TenantInfo{name, i}})
			now[name] = i
		}
		all = append(all, past{m, maps.Clone(now)})
	}
	for i, p := range all {
		got := map[string]uint64{}
		for _, sp := range p.m.sorted() {
			got[sp.info.Name] = sp.info.Incarnation
		}
		if diff := cmp.Diff(p.want, got); diff != "" {
			t.Fatalf("seed %d: after change %d: %s", seed, i, diff)
		}
	}
}

// smallTenants returns a store with n tenants that have a schema and ten tuples.
func smallTenants(tb testing.TB, n int) *Store {
	schema := []byte(strings.Repeat("definition doc { relation viewer: user }\n", 12))
	s := ready(tb)
	for i := range n {
		name := fmt.Sprint("tenant-", i)
		c := Command{Kind: KindWrite, Tenant: name, Time: int64(time.Hour), Records: []RecordUpdate{{Key: SchemaRecord, Value: schema}}}
		for j := range 10 {
			c.Updates = append(c.Updates, Update{OpTouch, nth(i + j)})
		}
		if outs := apply(tb, s, uint64(i+2), Command{Kind: KindCreateTenant, Tenant: name}, c); outs[0].Code != OK || outs[1].Code != OK {
			tb.Fatal(codes(outs))
		}
	}
	return s
}

func TestTenants_ManySmallOnesAreCheap(t *testing.T) {
	const n, most = 2000, 6 << 10 // bytes
	before := heap()
	s := smallTenants(t, n)
	if each := (heap() - before) / n; each > most {
		t.Errorf("a tenant of ten tuples takes %d bytes, %d are enough", each, most)
	}
	if got := s.Tenants(); len(got) != n+1 || !slices.IsSortedFunc(got, func(a, b TenantInfo) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d tenants are listed", len(got))
	}
}

// BenchmarkTenants_Create creates 10,000 tenants and fills them.
func BenchmarkTenants_Create(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		before := heap()
		s := smallTenants(b, n)
		b.ReportMetric(float64(heap()-before)/n, "B/tenant")
		b.ReportMetric(float64(s.Stats().Tenants), "tenants")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/tenant")
}
