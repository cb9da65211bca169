package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTenantsAfter_PagesAreAllTenants(t *testing.T) {
	s := ready(t)
	var cmds []Command
	for i := range 500 {
		cmds = append(cmds, Command{Kind: KindCreateTenant, Tenant: fmt.Sprint("t", i)})
	}
	apply(t, s, 2, cmds...)
	all := s.Tenants()
	if len(all) != 501 || !slices.IsSortedFunc(all, func(a, b TenantInfo) int { return strings.Compare(a.Name, b.Name) }) {
		t.Fatalf("%d tenants", len(all))
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		var got []TenantInfo
		for last := ""; ; {
			most := 1 + r.IntN(200)
			page := s.TenantsAfter(last, most)
			got = append(got, page...)
			if len(page) < most {
				break
			}
			last = page[len(page)-1].Name
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestTenantsAfter_TakesAnyNameAndNumber(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, Command{Kind: KindCreateTenant, Tenant: "b"})
	for _, c := range []struct {
		after string
		most  int
		want  int
	}{{"", math.MaxInt, 2}, {"", 0, 0}, {"", -1, 0}, {"a", 9, 2}, {"b", 9, 1}, {"bb", 9, 1}, {"default", 9, 0}, {"z", 9, 0}} {
		if got := s.TenantsAfter(c.after, c.most); len(got) != c.want {
			t.Errorf("%d after %q: %v", c.most, c.after, got)
		}
	}
}

// BenchmarkTenantsAfter reads one page of 100 out of 10,000.
func BenchmarkTenantsAfter(b *testing.B) {
	s := ready(b)
	for k := range 10 {
		var cmds []Command
		for i := range 1000 {
			cmds = append(cmds, Command{Kind: KindCreateTenant, Tenant: fmt.Sprint("t", k*1000+i)})
		}
		apply(b, s, uint64(2+k), cmds...)
	}
	b.ReportAllocs()
	for b.Loop() {
		if page := s.TenantsAfter("t5", 100); len(page) != 100 {
			b.Fatal(len(page))
		}
	}
}
