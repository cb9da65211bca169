package authz

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// changes reads a watch until it has nothing more to tell at once.
func changes(t *testing.T, w *Watch) (out []string) {
	t.Helper()
	for {
		r, err := w.Next(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Schema && len(r.Tuples) == 0 {
			return out
		}
		var line []string
		if r.Schema {
			line = append(line, "schema")
		}
		for _, c := range r.Tuples {
			sign := "+"
			if c.Deleted {
				sign = "-"
			}
			line = append(line, sign+c.Tuple.String())
		}
		out = append(out, strings.Join(line, " "))
	}
}

func (w *world) watch(r WatchRequest) *Watch {
	w.t.Helper()
	out, err := w.Watch(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestWatch_TellsWholeRevisionsInOrder(t *testing.T) {
	w := newWorld(t)
	from := w.touch("doc:old#viewer@user:ann")
	watch := w.watch(WatchRequest{})
	w.touch("doc:a#viewer@user:ann", "group:g#member@user:ann")
	w.touch("doc:a#viewer@user:ann") // no change
	middle := w.touch("doc:b#viewer@user:ann")
	w.schema(docs + "\ndefinition more {}")
	if _, err := w.Write(t.Context(), ann, WriteRequest{Updates: updates(t, Delete, "doc:a#viewer@user:ann")}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"+doc:a#viewer@user:ann +group:g#member@user:ann", "+doc:b#viewer@user:ann", "schema", "-doc:a#viewer@user:ann",
	}
	if diff := cmp.Diff(want, changes(t, watch)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, changes(t, w.watch(WatchRequest{From: from}))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[2:], changes(t, w.watch(WatchRequest{From: middle}))); diff != "" {
		t.Error(diff)
	}
	groups := []string{"+group:g#member@user:ann", "schema"}
	if diff := cmp.Diff(groups, changes(t, w.watch(WatchRequest{From: from, Types: []string{"group"}}))); diff != "" {
		t.Error(diff)
	}
}

func TestWatch_HeartbeatIsWhereToResume(t *testing.T) {
	w := newWorld(t)
	watch := w.watch(WatchRequest{})
	w.touch("doc:a#viewer@user:ann")
	changes(t, watch)
	beat, err := watch.Next(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	w.touch("doc:b#viewer@user:ann")
	if diff := cmp.Diff([]string{"+doc:b#viewer@user:ann"}, changes(t, w.watch(WatchRequest{From: beat.Token}))); diff != "" {
		t.Error(diff)
	}
}

func TestWatch_WakesUpForAWrite(t *testing.T) {
	w := newWorld(t)
	watch := w.watch(WatchRequest{})
	got := make(chan WatchedRevision, 1)
	go func() {
		r, err := watch.Next(context.WithoutCancel(t.Context()), time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- r
	}()
	w.touch("doc:a#viewer@user:ann")
	if r := <-got; len(r.Tuples) != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestWatch_EndsWithItsTenant(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateTenant(t.Context(), ann, "acme"); err != nil {
		t.Fatal(err)
	}
	watch := w.watch(WatchRequest{Tenant: "acme"})
	if err := w.DeleteTenant(t.Context(), ann, "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Next(t.Context(), time.Minute); err == nil || reasonOf(t, err) != "UNKNOWN_TENANT" {
		t.Errorf("got %v", err)
	}
}

func TestWatch_RefusesForeignTokens(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateTenant(t.Context(), ann, "acme"); err != nil {
		t.Fatal(err)
	}
	here := w.touch("doc:a#viewer@user:ann")
	for want, r := range map[string]WatchRequest{
		"OTHER_TENANT":    {Tenant: "acme", From: here},
		"MALFORMED_TOKEN": {From: "junk"},
		"UNKNOWN_TENANT":  {Tenant: "nobody"},
		"RESERVED_TENANT": {Tenant: "_x"},
	} {
		if _, err := w.Watch(t.Context(), r); err == nil || reasonOf(t, err) != want {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

func TestTenants_AreListedByPage(t *testing.T) {
	w := newWorld(t)
	want := []string{DefaultTenant}
	for i := range 7 {
		name := fmt.Sprintf("t%d", i)
		want = append(want, name)
		if _, err := w.CreateTenant(t.Context(), ann, name); err != nil {
			t.Fatal(err)
		}
	}
	for size := 1; size <= 9; size++ {
		var got []string
		for after, more := "", true; more; {
			page, next, err := w.Tenants(after, size)
			if err != nil || len(page) > size {
				t.Fatal(page, err)
			}
			for _, p := range page {
				got = append(got, p.Name)
			}
			more = next
			after = got[len(got)-1]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d: %s", size, diff)
		}
	}
}

func TestTenants_AreApart(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann")
	if _, err := w.CreateTenant(t.Context(), ann, "acme"); err != nil {
		t.Fatal(err)
	}
	r := ask("doc:a", "view", "user:ann")
	r.Tenant = "acme"
	if got := w.decide(r); got != "NO_SCHEMA" {
		t.Errorf("a new tenant answers %s", got)
	}
	if _, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Tenant: "acme", Source: docs}); err != nil {
		t.Fatal(err)
	}
	if got := w.decide(r); got != "denied" {
		t.Errorf("another tenant's tuple counts: %s", got)
	}
	for name, want := range map[string]string{"acme": "TENANT_EXISTS", "_own": "RESERVED_TENANT", "": "MISSING_FIELD", "a b": "INVALID_FIELD"} {
		if _, err := w.CreateTenant(t.Context(), ann, name); err == nil || reasonOf(t, err) != want {
			t.Errorf("create %q: %v", name, err)
		}
	}
	for name, want := range map[string]string{"nobody": "UNKNOWN_TENANT", "_own": "RESERVED_TENANT", "": "MISSING_FIELD"} {
		if err := w.DeleteTenant(t.Context(), ann, name); err == nil || reasonOf(t, err) != want {
			t.Errorf("delete %q: %v", name, err)
		}
	}
}
