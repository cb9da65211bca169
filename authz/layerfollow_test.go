package authz

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pemba-authz/pemba/store"
)

// slowSchema is layerSchema, but one with the role "slow" waits to be compiled.
type slowSchema struct {
	begun, release chan struct{}
}

func (s slowSchema) schema(v LayerView) (string, error) {
	text, err := layerSchema(v)
	if strings.Contains(text, "slow") {
		s.begun <- struct{}{}
		<-s.release
	}
	return text, err
}

// followed is a layer with the roles viewer and editor, which somebody follows.
func followed(t *testing.T) (*world, *Layer, slowSchema) {
	t.Helper()
	w, slow := newWorld(t), slowSchema{make(chan struct{}), make(chan struct{})}
	l := w.Layer("_test", slow.schema)
	if err := l.Found(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Follow(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	commit(t, l, LayerWrite{At: layerView(t, l), WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte("viewer editor")}}})
	return w, l, slow
}

func (l *Layer) writeRoles(t *testing.T, roles string) {
	t.Helper()
	commit(t, l, LayerWrite{At: layerView(t, l), WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte(roles)}}})
}

func TestFollow_CompilesWhatNobodyHasAskedAbout(t *testing.T) {
	_, l, slow := followed(t)
	l.writeRoles(t, "slow")
	<-slow.begun
	slow.release <- struct{}{}
	if at, err := l.View(t.Context(), Consistency{Level: Latest}); err != nil || at.decide(t, "slow", "user:bob") != "denied" {
		t.Error(err)
	}
}

func TestFollow_AnyIsAnsweredFromBeforeMeanwhile(t *testing.T) {
	_, l, slow := followed(t)
	before := layerView(t, l)
	commit(t, l, LayerWrite{At: before, Updates: updates(t, Create, "thing:a#r.viewer@user:ann")})
	before = layerView(t, l)
	l.writeRoles(t, "viewer slow")
	<-slow.begun
	at := layerView(t, l)
	if at.Revision() >= l.node.Store().Revision() || at.Revision() < before.Revision() || at.decide(t, "viewer", "user:ann") != "allowed" {
		t.Errorf("revision %d of %d", at.Revision(), l.node.Store().Revision())
	}
	for _, c := range []Consistency{{Level: Latest}, {Level: AtLeast, Token: at.Token}} {
		hurry, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := l.View(hurry, c); err == nil || reasonOf(t, err) != "DEADLINE_EXCEEDED" {
			t.Errorf("level %d does not wait: %v", c.Level, err)
		}
		cancel()
	}
	slow.release <- struct{}{}
	newest, err := l.View(t.Context(), Consistency{Level: Latest})
	if err != nil || newest.decide(t, "slow", "user:ann") != "denied" {
		t.Fatal(err)
	}
	if at := layerView(t, l); at.Revision() < newest.Revision() {
		t.Errorf("%d after %d", at.Revision(), newest.Revision())
	}
}

func TestFollow_AnyWaitsWhereTheViewBeforeIsTooOld(t *testing.T) {
	w, l, slow := followed(t)
	w.opts.MaxStaleness = time.Nanosecond
	l.writeRoles(t, "viewer slow")
	<-slow.begun
	hurry, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.View(hurry, Consistency{}); err == nil || reasonOf(t, err) != "DEADLINE_EXCEEDED" {
		t.Error(err)
	}
	slow.release <- struct{}{}
}

// Of two schemas that are new at once, the first is not there to answer with.
func TestViewBefore_IsOfASchemaThatIsReady(t *testing.T) {
	_, l, slow := followed(t)
	l.writeRoles(t, "viewer slow")
	<-slow.begun
	v, err := l.node.Store().View(l.tenant, 0)
	if err != nil {
		t.Fatal(err)
	}
	before, ok := l.viewBefore(v)
	if !ok {
		t.Fatal("no view before")
	}
	l.graphs.lastOf(v.Incarnation()).Store(&compiled{source: []byte("another")})
	if _, ok := l.viewBefore(v); ok {
		t.Errorf("the schema at %d is not ready", before.Revision())
	}
	slow.release <- struct{}{}
}

// What the node had when it looked last must be older than the schema.
func TestViewBefore_IsNotOlderThanTheMark(t *testing.T) {
	w := newWorld(t)
	l := newLayer(t, w)
	layerView(t, l)
	old, err := l.node.Store().View(l.tenant, 0)
	if err != nil {
		t.Fatal(err)
	}
	l.writeRoles(t, "viewer")
	v, err := l.node.Store().View(l.tenant, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		mark *mark
		ok   bool
	}{
		"nobody follows":      {nil, false},
		"it looked before":    {&mark{v.Incarnation(), old.Revision(), time.Now(), 0}, true},
		"it looked after":     {&mark{v.Incarnation(), v.Revision(), time.Now(), 0}, false},
		"it looked long ago":  {&mark{v.Incarnation(), old.Revision(), time.Now().Add(-w.opts.MaxStaleness), 0}, false},
		"it was out of touch": {&mark{v.Incarnation(), old.Revision(), time.Now(), w.opts.MaxStaleness}, false},
		"of another life":     {&mark{v.Incarnation() + 1, old.Revision(), time.Now(), 0}, false},
	} {
		l.mark.Store(c.mark)
		if _, ok := l.viewBefore(v); ok != c.ok {
			t.Errorf("%s: %v", name, ok)
		}
	}
	// An answer may have been given from the schema, though another was asked about since.
	l.mark.Store(&mark{v.Incarnation(), old.Revision(), time.Now(), 0})
	for _, view := range []store.View{v, old} {
		if _, _, err := l.graphOf(t.Context(), view); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := l.viewBefore(v); ok {
		t.Error("it goes back")
	}
}
