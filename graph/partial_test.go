package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/store"
)

func TestPartials_AreIncludedWhereTheyAreSpread(t *testing.T) {
	s := valid(t, `use partial
definition user {}
partial inner { relation c: user }
definition doc {
	relation a: user
	...outer
	permission e = d
}
partial outer {
	relation b: user
	...inner
	permission d = a + c
}
definition folder { ...inner }`)
	names := map[string][]string{}
	for _, d := range s.Definitions {
		for _, r := range d.Relations {
			names[d.Name] = append(names[d.Name], r.Name)
		}
	}
	want := map[string][]string{"doc": {"a", "b", "c", "d", "e"}, "folder": {"c"}}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("relations (-want +got):\n%s", diff)
	}
	if _, err := Compile(s, store.New(store.Options{}).Symbols()); err != nil {
		t.Errorf("Compile: %v", err)
	}
}

// What partials include is bounded, not only what is written.
func TestPartials_AreBounded(t *testing.T) {
	var doubling strings.Builder
	doubling.WriteString("use partial\npartial p0 { relation a: user }\n")
	for i := range 60 {
		fmt.Fprintf(&doubling, "partial p%d { ...p%d; ...p%d }\n", i+1, i, i)
	}
	var types, spreads strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&types, "|t%d", i)
		fmt.Fprintf(&spreads, "definition d%d { ...p }\n", i)
	}
	wide := "use partial\npartial p { relation a: user" + types.String() + "\n}\n" + spreads.String()
	for name, source := range map[string]string{"doubling": doubling.String(), "wide": wide} {
		_, err := Parse(source)
		if err == nil || !strings.Contains(err.Error(), "include too much") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Hostile schemas of the newer parts of the language end soon.
func TestValidate_BoundsHostilePartialsAndTypes(t *testing.T) {
	sequential(t)
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i+1)
		}
		return b.String()
	}
	for name, source := range map[string]string{
		"unknown partials": "use partial\ndefinition d {" + many(40_000, "...p%[1]d;") + "}",
		"long cycle":       "use partial\n" + many(20_000, "partial p%d { ...p%d }\n") + "partial p20000 { ...p0 }",
		"many cycles":      "use partial\n" + many(20_000, "partial p%d { ...p%d; ...p0 }\n") + "partial p20000 {}",
		"empty spreads":    "use partial\npartial p {}\ndefinition d {" + strings.Repeat("...p;", 100_000) + "}",
		"duplicates":       "use partial\npartial p { relation a: d }\ndefinition d {" + strings.Repeat("...p;", 50_000) + "}",
		"many types":       "use typechecking\n" + many(9000, "definition t%d { relation a: t%d }\n") + "definition t9000 { permission p: t0 = nil }",
		"types in a chain": "use typechecking\ndefinition d {" + many(9000, "permission p%d: d = p%d + r%[1]d; relation r%[1]d: t%[1]d\n") + "permission p9000 = nil }" + many(9000, "definition t%[1]d {}\n"),
		"annotations":      "use typechecking\ndefinition t0 { permission p: t0" + many(9000, " | t%[2]d") + " = nil }" + many(9000, "definition t%[2]d {}\n"),
		"silenced":         "definition d { relation r: d\n" + many(8000, "// spicedb-ignore-warning: arrow-references-unreachable-relation\npermission p%d = r->q%d\n") + "}",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse(source)
			if err != nil {
				t.Fatal(err)
			}
			warnings, err := Validate(s)
			if errs, ok := err.(SchemaErrors); err != nil && (!ok || len(errs) > maxErrors) || len(warnings) > maxWarnings {
				t.Errorf("%d warnings, %v", len(warnings), err)
			}
		})
	}
}

func TestWarnings_AreTheSameEachTime(t *testing.T) {
	const source = `definition user {}
definition a { relation owner: user; relation x: user }
definition b { relation owner: user; relation x: user }
definition c { relation y: user }
definition d { relation z: user }
definition doc {
	relation parent: d | c | b | a
	permission view = parent->owner
	permission edit = parent->ownr
}`
	first, err := Validate(valid(t, source))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := Validate(valid(t, source)); !slices.Equal(first, again) {
			t.Fatalf("first %v, then %v", first, again)
		}
	}
}
