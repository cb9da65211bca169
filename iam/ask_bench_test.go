package iam

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pemba-authz/pemba/authz"
)

// metropolis has 100 folders of 100 instances, and an account and a user of each
// folder; who has what is granted on folders, clouds and instances.
func metropolis(b testing.TB) (w *plot, subjects []Subject, vms [][]Resource) {
	w = newPlot(b, false)
	roles := []string{"viewer", "editor", "compute.viewer", "compute.operator", "compute.admin", "iam.viewer", "load-balancer.editor"}
	r := rand.New(rand.NewPCG(1, 2))
	org := w.addOrganization("org")
	w.grant(OrganizationOwner, w.addUser(User{ID: "boss", Type: UserAccount, Organizations: []string{"org"}}), org)
	for c := range 10 {
		cloud := w.addCloud(fmt.Sprint("cloud", c), org)
		for f := range 10 {
			folder := w.addFolder(fmt.Sprintf("folder%d-%d", c, f), cloud)
			account := w.addAccount("sa"+folder.ID, folder)
			user := w.addUser(User{ID: "user" + folder.ID, Type: UserAccount, Organizations: []string{"org"}})
			group := w.addGroup("group"+folder.ID, org, user)
			w.grant(one(r, roles), account, folder)
			w.grant(one(r, roles), group, cloud)
			subjects = append(subjects, account, user)
			for i := range 100 {
				vm := Resource{"compute.instance", fmt.Sprintf("vm%d-%d-%d", c, f, i)}
				w.below(vm, folder)
				w.grant(one(r, roles), account, vm)
				vms = append(vms, []Resource{vm, folder})
			}
			w.commit(false)
		}
	}
	return w, subjects, vms
}

func benchmarkAuthorize(b *testing.B, change func(r *AuthorizeRequest)) {
	w, subjects, vms := metropolis(b)
	permissions := []string{"compute.instances.get", "compute.instances.start", "compute.instances.updateAccessBindings"}
	r := rand.New(rand.NewPCG(3, 4))
	var requests []AuthorizeRequest
	for range 1024 {
		q := AuthorizeRequest{Token: w.as(one(r, subjects)).Token, Permission: one(r, permissions), Path: one(r, vms), Consistency: authz.Consistency{Level: authz.Any}}
		change(&q)
		if _, err := w.Authorize(b.Context(), &q); err != nil {
			b.Fatal(err)
		}
		requests = append(requests, q)
	}
	b.ReportAllocs()
	ctx := b.Context()
	for i := 0; b.Loop(); i++ {
		if _, err := w.Authorize(ctx, &requests[i&1023]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthorize_Token(b *testing.B) {
	benchmarkAuthorize(b, func(*AuthorizeRequest) {})
}

func BenchmarkAuthorize_Subject(b *testing.B) {
	benchmarkAuthorize(b, func(r *AuthorizeRequest) {
		r.Token, r.Subject = "", Subject{UserAccount, "user" + r.Path[1].ID}
	})
}

// The resource is the service's own: only its folder is stored.
func BenchmarkAuthorize_ResourceNotStored(b *testing.B) {
	benchmarkAuthorize(b, func(r *AuthorizeRequest) {
		r.Path = []Resource{{"compute.disk", "unknown"}, r.Path[1]}
	})
}

func BenchmarkAuthorize_Explained(b *testing.B) {
	benchmarkAuthorize(b, func(r *AuthorizeRequest) { r.Explain = true })
}

// What Authorize adds to: the engine's own check of the same question.
func BenchmarkAuthorize_EngineAlone(b *testing.B) {
	w, subjects, vms := metropolis(b)
	v, err := w.view(b.Context(), latest)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	var asked []askedOf
	for range 1024 {
		c, err := w.callerOf(v, one(r, subjects))
		if err != nil {
			b.Fatal(err)
		}
		asked = append(asked, askedOf{c, one(r, vms)[0]})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		a := asked[i&1023]
		if _, err := v.CheckSet(b.Context(), a.on.object(), "compute.instances.start", a.caller.whole()); err != nil {
			b.Fatal(err)
		}
	}
}

type askedOf struct {
	caller *Caller
	on     Resource
}

// The hot path allocates the name of the resource that it asks about.
func TestAuthorize_AllocatesLittle(t *testing.T) {
	if racing {
		t.Skip("pools lose items")
	}
	w := newTown(t, false)
	vm := Resource{"compute.instance", "vm"}
	w.below(vm, w.folder)
	w.commit(false)
	r := AuthorizeRequest{Token: w.as(w.editor).Token, Permission: "compute.instances.start", Path: []Resource{vm, w.folder}}
	ctx := t.Context()
	got := testing.AllocsPerRun(200, func() {
		if a, err := w.Authorize(ctx, &r); err != nil || !a.Allowed {
			t.Fatal(a, err)
		}
	})
	if got > 1 {
		t.Errorf("%v allocations", got)
	}
}

// What a change pays for each permission that it requires.
func BenchmarkWitness(b *testing.B) {
	w, _, vms := metropolis(b)
	v, err := w.view(b.Context(), latest)
	if err != nil {
		b.Fatal(err)
	}
	c, err := w.callerOf(v, Subject{UserAccount, "boss"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok, err := c.witness(b.Context(), v, "compute.instances.updateAccessBindings", vms[i%len(vms)][0]); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}
