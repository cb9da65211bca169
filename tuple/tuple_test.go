package tuple

import (
	"errors"
	"strings"
	"testing"
)

func TestParseTuple_ReadsWhatStringWrites(t *testing.T) {
	for _, text := range []string{
		"doc:readme#viewer@user:ann",
		"doc:readme#viewer@group:eng#member",
		"doc:readme#viewer@user:*",
		"acme/doc:a:b@c#viewer@user:x@y.org",
		"doc:a#viewer@user:ann[ip]",
		`doc:a#viewer@user:ann[acme/ip:{"cidr":"10.0.0.0/8","n":12345678901234567890}]`,
		"doc:a#viewer@user:ann[expiration:2030-01-02T15:04:05Z]",
		`doc:a#viewer@group:g#member[ip:{"a":"#x[y]"}][expiration:2030-01-02T15:04:05.000000001Z]`,
		"doc:[x]#viewer@user:[ann]#...",
		`doc:a#viewer@user:x[#...[ip:{"a":[1,{"b":null}]}]`,
		"doc:été#viewer@user:名前",
	} {
		got, err := ParseTuple(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.String() != text {
			t.Errorf("%s is written back as %s", text, got)
		}
	}
}

func TestParseTuple_NamesWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                                         "a tuple is written",
		"doc:a":                                    "a tuple is written",
		"doc:a#viewer":                             "a tuple is written",
		"doc#viewer@user:x":                        "an object is written type:id",
		":a#viewer@user:x":                         `object.type "":`,
		"doc:#viewer@user:x":                       `object.id "":`,
		"doc:*#viewer@user:x":                      `object.id "*":`,
		"doc:a b#viewer@user:x":                    `object.id "a b":`,
		"doc:a#view er@user:x":                     `relation "view er":`,
		"doc:a#viewer@user":                        "a subject is written",
		"doc:a#viewer@user:":                       `subject.id "":`,
		"doc:a#viewer@user:x#":                     "a relation follows '#'",
		"doc:a#viewer@user:*#...":                  "a wildcard subject has no relation",
		"doc:a#viewer@user:*#member":               "a wildcard subject has no relation",
		"doc:a#viewer@user:x[]":                    "after the subject come",
		"doc:a#viewer@user:x[ip":                   "after the subject come",
		"doc:a#viewer@user:x[ip:]":                 "after the subject come",
		"doc:a#viewer@user:x[ip:[]]":               "one JSON object",
		"doc:a#viewer@user:x[ip:{} {}]":            "nothing after it",
		"doc:a#viewer@user:x[expiration]":          "after the subject come",
		"doc:a#viewer@user:x[expiration:tomorrow]": "after the subject come",
		"doc:a#viewer@user:x[expiration:1960-01-01T00:00:00Z]": "between 1970 and 2261",
		"doc:" + strings.Repeat("a", 1025) + "#viewer@user:x":  "(1025 bytes)",
		"doc:a\x00#viewer@user:x":                              `object.id "a\x00":`,
		"doc:a\xff#viewer@user:x":                              `object.id "a\xff":`,
		"doc:a\u00a0b#viewer@user:x":                           "an id is 1 to 1,024 bytes",
	} {
		_, err := ParseTuple(text)
		var field *FieldError
		if !errors.As(err, &field) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
		}
	}
}

func TestParseFilter_ReadsEveryForm(t *testing.T) {
	for text, want := range map[string]Filter{
		"doc":                            {Type: "doc"},
		"doc:a":                          {Type: "doc", ID: "a"},
		"doc#viewer":                     {Type: "doc", Relation: "viewer"},
		"doc:a#viewer":                   {Type: "doc", ID: "a", Relation: "viewer"},
		"doc@user":                       {Type: "doc", SubjectType: "user"},
		"doc:a@user:x":                   {Type: "doc", ID: "a", SubjectType: "user", SubjectID: "x"},
		"doc:a@user:x@y.org":             {Type: "doc", ID: "a", SubjectType: "user", SubjectID: "x@y.org"},
		"doc#viewer@user:x@y.org":        {Type: "doc", Relation: "viewer", SubjectType: "user", SubjectID: "x@y.org"},
		"doc#viewer@user:*":              {Type: "doc", Relation: "viewer", SubjectType: "user", SubjectID: "*"},
		"doc:a#viewer@group#member":      {Type: "doc", ID: "a", Relation: "viewer", SubjectType: "group", SubjectRelation: "member"},
		"doc@group:g#member":             {Type: "doc", SubjectType: "group", SubjectID: "g", SubjectRelation: "member"},
		"doc#viewer@group#...":           {Type: "doc", Relation: "viewer", SubjectType: "group", SubjectRelation: Plain},
		"doc:a:b#viewer@user:c:d#member": {Type: "doc", ID: "a:b", Relation: "viewer", SubjectType: "user", SubjectID: "c:d", SubjectRelation: "member"},
	} {
		got, err := ParseFilter(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":a", "doc#", "#viewer", "doc#viewer@", "doc#viewer@:x", "do c"} {
		if f, err := ParseFilter(text); err == nil {
			t.Errorf("%q is read as %+v", text, f)
		}
	}
}

func TestFilter_MatchesByEachField(t *testing.T) {
	tp := Tuple{Object: Object{"doc", "a"}, Relation: "viewer", Subject: Subject{"group", "g", "member"}}
	for text, want := range map[string]bool{
		"doc": true, "doc:a#viewer@group:g#member": true, "doc@group": true, "doc@group#...": false,
		"folder": false, "doc:b": false, "doc#editor": false, "doc@user": false, "doc@group:h": false, "doc@group:g#admin": false,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if f.Matches(tp) != want {
			t.Errorf("%s matches %s: %v", text, tp, !want)
		}
	}
}

func TestCanonicalContext_IsOneTextPerValue(t *testing.T) {
	for in, want := range map[string]string{
		``: "", `{}`: "", `{ "b" : 1, "a" : [ 1.50 , "<é>" ] }`: `{"a":[1.50,"<é>"],"b":1}`,
		`{"big":18446744073709551615}`: `{"big":18446744073709551615}`,
	} {
		if got, err := CanonicalContext([]byte(in)); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"null", "1", "[]", "{", `{"a":1}{}`, strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40),
		`{"a":"` + strings.Repeat("x", MaxContextLen) + `"}`} {
		if got, err := CanonicalContext([]byte(in)); err == nil {
			t.Errorf("%.40s is accepted as %.40s", in, got)
		}
	}
}

func FuzzParseTuple(f *testing.F) {
	f.Add("doc:a:b@c#viewer@user:x@y.org")
	f.Add("doc:[x]#viewer@user:[ann]#...")
	f.Add(`doc:a#viewer@group:g#member[ip:{"a":"#x[y]"}][expiration:2030-01-02T15:04:05Z]`)
	f.Fuzz(func(t *testing.T, text string) {
		tp, err := ParseTuple(text)
		if err != nil {
			return
		}
		if err := tp.Validate(); err != nil {
			t.Fatalf("%q parses to an invalid tuple: %v", text, err)
		}
		again, err := ParseTuple(tp.String())
		if err != nil || again != tp {
			t.Fatalf("%q: %#v is written %q and read %#v, %v", text, tp, tp, again, err)
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	f.Add("doc:a@b#viewer@group:g#member")
	f.Fuzz(func(t *testing.T, text string) {
		if fl, err := ParseFilter(text); err == nil && fl.Validate() != nil {
			t.Fatalf("%q parses to an invalid filter %+v", text, fl)
		}
	})
}
