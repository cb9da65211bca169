package authz

import (
	"strings"
	"testing"
)

func TestLayerCommit_DeletesWhatTheSchemaHasLost(t *testing.T) {
	l := newLayer(t, newWorld(t))
	commit(t, l, LayerWrite{At: layerView(t, l), Updates: updates(t, Touch, "thing:a#r.viewer@user:ann")})
	commit(t, l, LayerWrite{At: layerView(t, l), WriteSchema: true, Records: []RecordUpdate{{Key: "roles", Value: []byte("editor")}}})
	_, err := l.Commit(t.Context(), ann, LayerWrite{At: layerView(t, l), Updates: updates(t, Touch, "thing:b#r.viewer@user:ann")})
	if got := reasonOf(t, err); got != "NOT_IN_SCHEMA" {
		t.Error(got)
	}
	commit(t, l, LayerWrite{At: layerView(t, l), Updates: updates(t, Delete, "thing:a#r.viewer@user:ann")})
	for u := range layerView(t, l).Tuples(filterOf(updates(t, Delete, "thing:a#r.viewer@user:ann")[0].Tuple.Key())) {
		t.Error(u)
	}
}

func TestLayerCheckSchema_RefusesWhatDoesNotCompile(t *testing.T) {
	l := newLayer(t, newWorld(t))
	if err := l.CheckSchema("definition user {}"); err != nil {
		t.Error(err)
	}
	if got := reasonOf(t, l.CheckSchema("definition user { permission a = b }")); got != "INVALID_SCHEMA" {
		t.Error(got)
	}
	if err := l.CheckSchema("definition user {}" + strings.Repeat(" ", maxLayerSchema)); err == nil {
		t.Error("a text that is too long")
	}
}
