package authz

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

// newRowLayer has two tuples of the thing a that hold, and one that has expired.
func newRowLayer(t *testing.T) *LayerView {
	l := newLayer(t, newWorld(t))
	ups := updates(t, Touch, "thing:a#r.viewer@user:ann", "thing:a#r.editor@user:bob", "thing:a#r.editor@user:late[expiration:2001-01-01T00:00:00Z]",
		"thing:b#r.viewer@user:late[expiration:2001-01-01T00:00:00Z]")
	commit(t, l, LayerWrite{At: layerView(t, l), Updates: ups})
	return layerView(t, l)
}

func TestLayerView_FirstFindsWhatHolds(t *testing.T) {
	v := newRowLayer(t)
	row := func(typ, relation string) *Row { return &Row{Type: typ, Relation: relation, SubjectType: "user"} }
	viewer, editor := row("thing", "r.viewer"), row("thing", "r.editor")
	for _, c := range []struct {
		row   *Row
		id    string
		want  string
		found bool
		named bool
	}{
		{viewer, "a", "ann", true, true},
		{editor, "a", "bob", true, true},
		{viewer, "b", "", false, true},
		{editor, "b", "", false, true},
		{viewer, "c", "", false, false},
		{row("thing", "r.none"), "a", "", false, true},
		{row("nothing", "r.viewer"), "a", "", false, false},
	} {
		if subject, found, named := v.First(c.row, c.id); subject != c.want || found != c.found || named != c.named {
			t.Errorf("%s %s: %q %v %v", c.row.Relation, c.id, subject, found, named)
		}
	}
}

func TestLayerView_TuplesOfAreThoseOfTuples(t *testing.T) {
	v := newRowLayer(t)
	for _, relation := range []string{"r.viewer", "r.editor"} {
		var got, want []string
		for tp := range v.TuplesOf(tuple.Object{Type: "thing", ID: "a"}, func(r string) bool { return r == relation }) {
			got = append(got, tp.String())
		}
		for tp := range v.Tuples(tuple.Filter{Type: "thing", ID: "a", Relation: relation}) {
			want = append(want, tp.String())
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" || len(got) != 1 {
			t.Errorf("%s: %s", relation, diff)
		}
	}
	for tp := range v.TuplesOf(tuple.Object{Type: "thing", ID: "none"}, func(string) bool { return true }) {
		t.Error(tp)
	}
}

func TestLayerView_SubjectsOfAreWhoIsAllowed(t *testing.T) {
	v := newRowLayer(t)
	ids, err := v.SubjectsOf(t.Context(), tuple.Object{Type: "thing", ID: "a"}, "editor", "user", "")
	if diff := cmp.Diff([]string{"bob"}, ids); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := v.SubjectsOf(t.Context(), tuple.Object{Type: "thing", ID: "a"}, "owner", "user", ""); err == nil {
		t.Error("an unknown permission lists nobody")
	}
}

func TestLayerView_CheckSetAsksForAll(t *testing.T) {
	v := newRowLayer(t)
	for want, set := range map[Decision][]tuple.Subject{
		Allowed: {{Type: "user", ID: "x"}, {Type: "user", ID: "ann"}},
		Denied:  {{Type: "user", ID: "x"}, {Type: "user", ID: "bob"}, {Type: "user", ID: "late"}},
	} {
		a, err := v.CheckSet(t.Context(), tuple.Object{Type: "thing", ID: "a"}, "viewer", NewSubjectSet(set...))
		if err != nil || a.Decision != want {
			t.Error(set, a.Decision, err)
		}
	}
	if _, err := v.CheckSet(t.Context(), tuple.Object{Type: "thing", ID: "a"}, "viewer", NewSubjectSet()); err == nil {
		t.Error("nobody was asked about, and there is an answer")
	}
}

func TestLayerView_FirstReadsItsOwnView(t *testing.T) {
	l := newLayer(t, newWorld(t))
	old := layerView(t, l)
	commit(t, l, LayerWrite{At: old, Updates: updates(t, Touch, "thing:a#r.viewer@user:ann")})
	if _, found, _ := old.First(&Row{Type: "thing", Relation: "r.viewer", SubjectType: "user"}, "a"); found {
		t.Error("a view shows what came after it")
	}
}
