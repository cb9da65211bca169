package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/examples"
	"github.com/pemba-authz/pemba/graph"
)

func TestExamples_Hold(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	a := &app{}
	for _, name := range files {
		data, err := a.readFile(name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := judge(t.Context(), name, data)
		if err != nil || !v.OK {
			t.Errorf("%s: %v\n%s", name, err, strings.Join(v.Mistakes, "\n"))
		}
	}
}

// A permission that is only ever asserted to be allowed may allow everybody.
func TestExamples_SaaSAssertsEveryPermissionBothWays(t *testing.T) {
	f, err := parseValidationFile("saas.yaml", []byte(examples.SaaS))
	if err != nil {
		t.Fatal(err)
	}
	asserted := make(map[string]bool) // kind type#permission
	for _, a := range f.Assertions {
		q, _, err := parseAssertion(a.Text)
		if err != nil {
			t.Fatal(err)
		}
		asserted[a.Kind+" "+q.Object.Type+"#"+q.Relation] = true
	}
	schema, err := graph.Parse(f.Schema.Text)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range schema.Definitions {
		for _, r := range d.Relations {
			for _, kind := range []string{"assertTrue", "assertFalse"} {
				if name := d.Name + "#" + r.Name; r.IsPermission() && !asserted[kind+" "+name] {
					t.Errorf("%s has no %s", name, kind)
				}
			}
		}
	}
}
