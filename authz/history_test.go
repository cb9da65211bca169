package authz

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchemaHistory_ReadsEachSchemaBack(t *testing.T) {
	w := newWorld(t)
	sources := []string{docs + "\n// two", docs + "\n// three", docs}
	for _, source := range sources {
		w.schema(source)
		w.touch("doc:a#viewer@user:ann")
	}
	versions, _, err := w.SchemaHistory(t.Context(), "", Consistency{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range versions {
		source, _, err := w.ReadSchema(t.Context(), "", Consistency{Exactly, v.Token})
		if err != nil || len(source) != v.Bytes {
			t.Fatal(len(source), v.Bytes, err)
		}
		got = append(got, source)
	}
	if diff := cmp.Diff([]string{docs, docs + "\n// three", docs + "\n// two", docs}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDiffSchema_NamesWhatWouldBeOrphaned(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#banned@user:bob", "doc:b#banned@user:bob")
	smaller := strings.Replace(strings.Replace(docs, "relation banned: user", "", 1), "viewer - banned", "viewer", 1)
	d, err := w.DiffSchema(t.Context(), "", smaller, Consistency{})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Changes) == 0 || d.Text == "" {
		t.Error("no changes told")
	}
	if len(d.Orphans) != 1 || d.Orphans[0].Count != 2 || len(d.Orphans[0].Examples) != 2 {
		t.Errorf("orphans: %+v", d.Orphans)
	}
	_, _, err = w.WriteSchema(t.Context(), ann, WriteSchemaRequest{Source: smaller})
	if err == nil || reasonOf(t, err) != "SCHEMA_ORPHANS_TUPLES" {
		t.Fatalf("got %v", err)
	}
	if text := err.Error(); !strings.Contains(text, "doc:a#banned@user:bob") || !strings.Contains(text, "2 stored tuples") {
		t.Errorf("the error does not name the tuples: %s", text)
	}
}

func TestDiffSchema_OfAFirstSchema(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateTenant(t.Context(), ann, "acme"); err != nil {
		t.Fatal(err)
	}
	d, err := w.DiffSchema(t.Context(), "acme", docs, Consistency{})
	if err != nil || len(d.Changes) == 0 || len(d.Orphans) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
}
