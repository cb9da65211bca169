package iam

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
)

// plantRoles makes custom roles of some fifty permissions each, in few commands.
func (s *site) plantRoles(n int) (ids []string) {
	s.t.Helper()
	cat, err := s.catalogueAt(s.now())
	if err != nil {
		s.t.Fatal(err)
	}
	all, rng := cat.Permissions(), rand.New(rand.NewPCG(1, 1))
	for len(ids) < n {
		c := s.work(s.t.Context(), s.now())
		for range min(100, n-len(ids)) {
			r := &Role{ID: credential.NewID("cr0"), OrganizationID: s.OrganizationID, Name: fmt.Sprint("role-", len(ids))}
			for range 50 {
				r.Permissions = append(r.Permissions, all[rng.IntN(len(all))])
			}
			ids = append(ids, r.ID)
			c.put(roleKey(r.ID), r)
		}
		c.put(customRolesKey, ids)
		c.write.WriteSchema = len(ids) == n
		if _, err := s.layer.Commit(s.t.Context(), authz.Caller{Name: "test"}, c.write); err != nil {
			s.t.Fatal(err)
		}
	}
	return ids
}

// A change of a custom role: how long it takes, until when questions at the newest
// view wait for the schema, and for how long one at "any" has waited at most.
func BenchmarkRoleChange(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b)
			ids := s.plantRoles(n)
			ctx, stop := context.WithCancel(b.Context())
			var all sync.WaitGroup
			defer all.Wait()
			defer stop()
			all.Go(func() { s.RunJanitor(ctx) })
			s.now()
			var longest atomic.Int64
			all.Go(func() { s.askAlways(ctx, &longest) })
			var changing, ready time.Duration
			b.ResetTimer()
			for i := range b.N {
				call := *s.owner
				permissions := []string{[]string{"compute.instances.get", "compute.disks.get"}[i%2]}
				begin := time.Now()
				if _, err := s.UpdateRole(b.Context(), &call, RoleUpdate{ID: ids[0], Permissions: permissions, Fields: []string{FieldPermissions}}); err != nil {
					b.Fatal(err)
				}
				changed := time.Now()
				s.now()
				changing, ready = changing+changed.Sub(begin), ready+time.Since(changed)
			}
			b.ReportMetric(changing.Seconds()*1000/float64(b.N), "change-ms")
			b.ReportMetric(ready.Seconds()*1000/float64(b.N), "ready-ms")
			b.ReportMetric(float64(longest.Load())/1e6, "any-max-ms")
		})
	}
}

// askAlways asks at "any" and notes the longest wait.
func (s *site) askAlways(ctx context.Context, longest *atomic.Int64) {
	r := &AuthorizeRequest{Token: s.owner.Token, Permission: "viewer", Path: []Resource{s.folder()}}
	for ctx.Err() == nil {
		begin := time.Now()
		if _, err := s.Authorize(ctx, r); err != nil && ctx.Err() == nil {
			s.t.Error(err)
			return
		}
		longest.Store(max(longest.Load(), int64(time.Since(begin))))
	}
}
