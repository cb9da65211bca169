package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"

	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/store"
	"github.com/pemba-authz/pemba/tuple"
)

// TestToken_AheadOfTheNodeIsNotAnUnknownTenant: what a node that lags does not
// know yet, a token may name: the tenant and the cluster's life. It must learn
// them before it judges. Here nobody has committed them, which it says instead.
func TestToken_AheadOfTheNodeIsNotAnUnknownTenant(t *testing.T) {
	w := newWorld(t)
	digest, life := w.life()
	ahead := w.node.Store().Revision() + 10
	later := position{digest, life, ahead, ahead}
	reborn := position{digest, life + 1, w.incarnation(), ahead}
	r := ask("doc:a", "view", "user:ann")
	for _, level := range []Level{AtLeast, Exactly} {
		r.Tenant, r.Consistency = "new", Consistency{level, later.text()}
		if got := w.decide(r); got != "TOKEN_AHEAD" {
			t.Errorf("level %d, a tenant created later: %s", level, got)
		}
		r.Tenant, r.Consistency = "", Consistency{level, reborn.text()}
		if got := w.decide(r); got != "TOKEN_AHEAD" {
			t.Errorf("level %d, a later life: %s", level, got)
		}
	}
	_, err := w.Watch(t.Context(), WatchRequest{Tenant: "new", From: later.text()})
	if got := reasonOf(t, err); got != "TOKEN_AHEAD" {
		t.Errorf("watch: %s", got)
	}
	_, err = w.Write(t.Context(), ann, WriteRequest{
		Updates:       updates(t, Touch, "doc:a#viewer@user:ann"),
		Preconditions: []Precondition{{Kind: SchemaUnchanged, Since: reborn.text()}},
	})
	if got := reasonOf(t, err); got != "TOKEN_AHEAD" {
		t.Errorf("precondition: %s", got)
	}
}

func (w *world) incarnation() uint64 {
	info, _ := w.node.Store().Tenant(DefaultTenant)
	return info.Incarnation
}

type noPeers struct{ cluster.Peers }

func (noPeers) Serve(*cluster.Service, net.Listener, cluster.DialFunc) {}
func (noPeers) Close() error                                           { return nil }

type nobody struct{}

func (nobody) Discover(context.Context, string) ([]cluster.Sighting, error) {
	return nil, errors.New("nobody answers")
}

// TestNotReady_IsNotTheCallersMistake: a node that has nothing yet knows neither
// the cluster's id nor its secret, and blames no token or cursor for that.
func TestNotReady_IsNotTheCallersMistake(t *testing.T) {
	w := newWorld(t)
	token := w.touch("doc:a#viewer@user:ann", "doc:b#viewer@user:ann")
	reading, err := w.Read(t.Context(), ReadRequest{Filter: tuple.Filter{Type: "doc"}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := reading.Each(t.Context(), func(tuple.Tuple) bool { return true }); err != nil {
		t.Fatal(err)
	}
	node, err := cluster.Start(cluster.Config{
		DataDir: t.TempDir(), MinFreeDisk: -1, Logger: slog.New(slog.DiscardHandler), NodeID: "n2",
		RaftAddr: "127.0.0.1:0", Join: []string{"127.0.0.1:1"}, Peers: noPeers{}, Discovery: nobody{},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	fresh := &world{New(node, checker, Options{}), t}
	r := ask("doc:a", "view", "user:ann")
	r.Consistency = Consistency{AtLeast, token}
	if got := fresh.decide(r); got != "NOT_READY" {
		t.Errorf("token: %s", got)
	}
	_, err = fresh.Read(t.Context(), ReadRequest{Filter: tuple.Filter{Type: "doc"}, Cursor: reading.Cursor()})
	if got := reasonOf(t, err); got != "NOT_READY" {
		t.Errorf("cursor: %s", got)
	}
}

// TestDeleteMatching_SparesATenantCreatedAnew: the deletion of what an old
// tenant held must not reach into the next one of that name.
func TestDeleteMatching_SparesATenantCreatedAnew(t *testing.T) {
	w := newWorld(t)
	const n = deleteBatch + 10
	fill := func() {
		t.Helper()
		if _, err := w.CreateTenant(t.Context(), ann, "shop"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Tenant: "shop", Source: docs}); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for i := range n {
			texts = append(texts, fmt.Sprintf("doc:%d#viewer@user:ann", i))
		}
		if _, err := w.Write(t.Context(), ann, WriteRequest{Tenant: "shop", Updates: updates(t, Touch, texts...)}); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	first := true
	err := w.DeleteMatching(t.Context(), ann, DeleteMatchingRequest{Tenant: "shop", Filter: tuple.Filter{Type: "doc"}}, func(Deletion) error {
		if first {
			first = false
			if err := w.DeleteTenant(t.Context(), ann, "shop"); err != nil {
				t.Fatal(err)
			}
			fill()
		}
		return nil
	})
	if err == nil {
		t.Error("the deletion went on in another tenant")
	} else if got := reasonOf(t, err); got != "UNKNOWN_TENANT" {
		t.Errorf("the deletion ended with %s", got)
	}
	left := 0
	reading, err := w.Read(t.Context(), ReadRequest{Tenant: "shop", Filter: tuple.Filter{Type: "doc"}, Consistency: Consistency{Level: Latest}})
	if err != nil {
		t.Fatal(err)
	}
	if err := reading.Each(t.Context(), func(tuple.Tuple) bool { left++; return true }); err != nil {
		t.Fatal(err)
	}
	if left != n {
		t.Errorf("%d of the new tenant's %d tuples are left", left, n)
	}
}

// TestWrite_RefusedByTheCommandsBounds: what only the command's own bounds
// refuse is the caller's mistake, and no panic.
func TestWrite_RefusedByTheCommandsBounds(t *testing.T) {
	w := newWorld(t)
	r := WriteRequest{Updates: updates(t, Touch, "doc:a#viewer@user:ann")}
	for i := range store.MaxWideFilters + 1 {
		r.Preconditions = append(r.Preconditions, Precondition{
			Kind: TuplesAbsent, Filter: tuple.Filter{Type: "doc", SubjectType: "user", SubjectID: fmt.Sprintf("u%d", i)},
		})
	}
	_, err := w.Write(t.Context(), ann, r)
	if got := reasonOf(t, err); got != "INVALID_WRITE" {
		t.Errorf("too many wide filters: %s", got)
	}
}

// TestSchema_NotInForceLeavesNoNames: a schema that is only compared, or is
// refused, must not make the store remember its names for ever.
func TestSchema_NotInForceLeavesNoNames(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann")
	if _, err := w.DiffSchema(t.Context(), "", "definition compared {}", Consistency{}); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: "definition refused {}"})
	if got := reasonOf(t, err); got != "SCHEMA_ORPHANS_TUPLES" {
		t.Fatal(got)
	}
	for _, name := range []string{"compared", "refused"} {
		if w.node.Store().Symbols().Lookup(name) != 0 {
			t.Errorf("the store keeps the name %q", name)
		}
	}
}
