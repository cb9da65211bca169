package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mistakes(t *testing.T, file string) []string {
	t.Helper()
	v, err := judge(t.Context(), "f", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	return v.Mistakes
}

// trickySubjects has each way in which a subject may be written among the
// expected ones.
const trickySubjects = `schema: |-
  use expiration
  use self
  caveat open(hour int) { hour > 8 }
  definition user {
    permission me = self
  }
  definition group { relation member: user | group#member }
  definition doc {
    relation parent: doc
    relation viewer: user | user:* | user with open | user:* with open | group#member | user with expiration
    relation banned: user | user with open
    permission view = (viewer - banned) + parent->view
    permission both = viewer & banned
  }
relationships: |-
  group:a#member@group:b#member
  group:b#member@group:a#member
  group:b#member@user:ben
  doc:plain#viewer@group:a#member
  doc:plain#viewer@user:old[expiration:2001-01-01T00:00:00Z]
  doc:plain#viewer@user:cat[open]
  doc:plain#banned@user:ben
  doc:child#parent@doc:plain
  doc:child#viewer@user:cat
  doc:public#viewer@user:*
  doc:public#banned@user:rex
  doc:public#banned@user:sly[open]
  doc:office#viewer@user:*[open]
validation:
  doc:plain#view:
    - "[group:a#member] is <doc:plain#viewer>/<group:b#member>"
    - "[group:b#member] is <group:a#member>"
    - "[user:cat[...]] is <doc:plain#viewer>"
  doc:child#view:
    - "[group:a#member] is <group:b#member>/<doc:plain#viewer>"
    - "[group:b#member] is <group:a#member>"
    - "[user:cat] is <doc:child#viewer>/<doc:plain#viewer>"
  doc:public#view:
    - "[user:* - {user:sly[...],user:rex}] is <doc:public#viewer>"
  doc:office#view:
    - "[user:*[...]] is <doc:office#viewer>"
  doc:public#both:
    - "[user:rex] is <doc:public#banned>"
    - "[user:sly[...]] is <doc:public#banned>"
  user:ben#me:
    - "[user:ben] is <user:ben#me>"
`

func TestValidate_FindsEverySubject(t *testing.T) {
	if diff := cmp.Diff([]string(nil), mistakes(t, trickySubjects)); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

func TestValidate_NamesTheLineOfAMistake(t *testing.T) {
	const schema = "schema: |-\n  definition user {}\n  definition doc { relation viewer: user }\n"
	for _, c := range []struct{ file, want string }{
		{"", "f:1: a validation file is a mapping"},
		{"- a", "f:1: a validation file is a mapping"},
		{"relationships: ''", "f:1: the file has no schema"},
		{schema + "relationships: [a]\n", "f:4: text is expected here"},
		{schema + "assertions: [a]\n", "f:4: assertions is a mapping"},
		{schema + "assertions:\n  assertMaybe: []\n", `f:5: unknown key "assertMaybe"`},
		{schema + "assertions:\n  assertTrue: no\n", "f:5: a list is expected here"},
		{schema + "assertions:\n  assertTrue:\n    - doc:a#viewer@user:*\n", "a wildcard is not the subject of a question"},
		{schema + "assertions:\n  assertTrue:\n    - doc:a#viewer@user:ann with 5\n", "a context is one JSON object"},
		{schema + "assertions:\n  assertTrue:\n    - doc:a#viewer@user:ann[x]\n", "an assertion has no caveat"},
		{schema + "validation:\n  doc:a:\n    - x\n", "f:5: doc:a: write object#permission"},
		{schema + "validation:\n  doc:a#viewer:\n    - user:ann\n", `f:6: doc:a#viewer: "user:ann": an expected subject is written`},
		{schema + "validation:\n  doc:a#owner: []\n", `type "doc" has no relation or permission "owner"`},
		{schema + "schemaFile: absent.zed\n", "f:4: read schemaFile absent.zed: no such file or directory"},
	} {
		got := mistakes(t, c.file)
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%q: %q, want %q", c.file, got, c.want)
		}
	}
}

func TestValidate_AcceptsEmptyParts(t *testing.T) {
	file := "schema: definition user {}\nrelationships:\nassertions:\n  assertTrue:\n  assertFalse: []\nvalidation:\n"
	if got := mistakes(t, file); got != nil {
		t.Errorf("%q", got)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add(trickySubjects)
	f.Add("schema: |-\n  definition user {}\nassertions:\n  assertTrue:\n    - user:a#b@user:c with {\"d\": 1}\n")
	f.Fuzz(func(t *testing.T, file string) {
		if len(file) > 64<<10 || strings.Contains(file, "schemaFile") {
			return // not the file system
		}
		v, err := judge(t.Context(), "f", []byte(file))
		if err == nil && v.OK != (len(v.Mistakes) == 0) {
			t.Errorf("%+v", v)
		}
	})
}
