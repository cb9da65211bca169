package authz

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pemba-authz/pemba/tuple"
)

func objectsOf(subject string) ListObjectsRequest {
	s, _ := tuple.ParseSubject(subject)
	return ListObjectsRequest{Type: "doc", Permission: "view", Subject: s}
}

// objects lists page after page.
func (w *world) objects(r ListObjectsRequest) (ids []string, pages int) {
	w.t.Helper()
	for {
		l, err := w.ListObjects(w.t.Context(), r)
		if err != nil {
			w.t.Fatal(err)
		}
		before := len(ids)
		if err := l.Each(w.t.Context(), func(x Listed) bool { ids = append(ids, x.ID); return true }); err != nil {
			w.t.Fatal(err)
		}
		if r.Limit > 0 && len(ids)-before > r.Limit {
			w.t.Fatalf("a page of %d, at most %d", len(ids)-before, r.Limit)
		}
		pages++
		if r.Cursor = l.Cursor(); r.Cursor == "" {
			return ids, pages
		}
		r.Consistency = Consistency{}
	}
}

func TestListObjects_PagesAreOneList(t *testing.T) {
	w := newWorld(t)
	var texts []string
	for i := range 95 {
		texts = append(texts, fmt.Sprintf("doc:%02d#viewer@user:ann", i))
		if i%3 == 0 {
			texts = append(texts, fmt.Sprintf("doc:%02d#banned@user:ann", i))
		}
	}
	at := w.touch(texts...)
	r := objectsOf("user:ann")
	r.Consistency = Consistency{AtLeast, at}
	whole, _ := w.objects(r)
	if len(whole) != 63 {
		t.Fatalf("%d listed", len(whole))
	}
	r.Limit = 10
	first, err := w.ListObjects(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Each(t.Context(), func(Listed) bool { return true }); err != nil {
		t.Fatal(err)
	}
	w.touch("doc:new#viewer@user:ann") // after the first page: not of its view
	next := r
	next.Cursor, next.Consistency = first.Cursor(), Consistency{}
	rest, pages := w.objects(next)
	if diff := cmp.Diff(whole[10:], rest); diff != "" || pages != 6 {
		t.Errorf("%d pages: %s", pages, diff)
	}
}

func TestCursor_IsBoundToItsRequestAndTenant(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:ann", "doc:b#viewer@user:ann", "doc:c#viewer@user:ann")
	r := objectsOf("user:ann")
	r.Limit = 1
	l, err := w.ListObjects(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Each(t.Context(), func(Listed) bool { return true }); err != nil {
		t.Fatal(err)
	}
	r.Cursor = l.Cursor()
	forged := []byte(r.Cursor)
	forged[len(forged)-5] ^= 1
	for want, change := range map[string]func(*ListObjectsRequest){
		"OTHER_REQUEST":   func(r *ListObjectsRequest) { r.Subject.ID = "bob" },
		"OTHER_REQUEST ":  func(r *ListObjectsRequest) { r.Permission = "viewer" },
		"OTHER_REQUEST  ": func(r *ListObjectsRequest) { r.Context = map[string]any{"distance": 1} },
		"OTHER_REQUEST   ": func(r *ListObjectsRequest) {
			r.Contextual = []tuple.Tuple{updates(t, Touch, "doc:z#viewer@user:ann")[0].Tuple}
		},
		"OTHER_REQUEST    ": func(r *ListObjectsRequest) { r.Prefix = "a" },
		"MALFORMED_CURSOR":  func(r *ListObjectsRequest) { r.Cursor = string(forged) },
		"MALFORMED_CURSOR ": func(r *ListObjectsRequest) { r.Cursor = "pc1_junk" },
		"INVALID_FIELD":     func(r *ListObjectsRequest) { r.Consistency.Level = Latest },
	} {
		bad := r
		change(&bad)
		if _, err := w.ListObjects(t.Context(), bad); err == nil || reasonOf(t, err) != strings.TrimSpace(want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	if err := w.DeleteTenant(t.Context(), ann, DefaultTenant); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateTenant(t.Context(), ann, DefaultTenant); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ListObjects(t.Context(), r); err == nil || reasonOf(t, err) != "OTHER_TENANT" {
		t.Errorf("in a new tenant of the same name: %v", err)
	}
}

func TestListSubjects_WithWildcardAndExceptions(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:*", "doc:a#banned@user:bob", "doc:a#viewer@user:ann", `doc:b#viewer@user:eve[near:{"most":3}]`)
	got := map[string]string{}
	for _, object := range []string{"doc:a", "doc:b"} {
		o, _ := tuple.ParseObject(object)
		l, err := w.ListSubjects(t.Context(), ListSubjectsRequest{Object: o, Permission: "view", Type: "user"})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Each(t.Context(), func(x Listed) bool {
			got[object+" "+x.ID] = strings.TrimSpace(x.Decision.String() + " " + strings.Join(x.Missing, " "))
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"doc:a *": "allowed", "doc:a bob": "denied", "doc:a ann": "allowed", "doc:b eve": "conditional distance"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRead_PagesAreOneRead(t *testing.T) {
	w := newWorld(t)
	var texts []string
	for i := range 40 {
		texts = append(texts, fmt.Sprintf("doc:a#viewer@user:%d", i), fmt.Sprintf("doc:%d#viewer@user:ann", i))
	}
	w.touch(texts...)
	for _, text := range []string{"doc", "doc:a", "doc@user:ann", "doc:a#viewer@user:7", "group"} {
		f, err := tuple.ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		read := func(limit int) (out []string) {
			r := ReadRequest{Filter: f, Limit: limit}
			for {
				reading, err := w.Read(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if err := reading.Each(t.Context(), func(tp tuple.Tuple) bool { out = append(out, tp.String()); return true }); err != nil {
					t.Fatal(err)
				}
				if r.Cursor = reading.Cursor(); r.Cursor == "" {
					return out
				}
			}
		}
		whole := read(0)
		for _, limit := range []int{1, 7, 40, 1000} {
			if diff := cmp.Diff(whole, read(limit)); diff != "" {
				t.Errorf("%s in pages of %d: %s", text, limit, diff)
			}
		}
	}
}

func TestDeleteMatching_StopsAtItsLimit(t *testing.T) {
	w := newWorld(t)
	var texts []string
	for i := range 2500 {
		texts = append(texts, fmt.Sprintf("doc:a#viewer@user:%d", i))
	}
	w.touch(append(texts, "doc:b#viewer@user:1")...)
	f, _ := tuple.ParseFilter("doc:a")
	run := func(limit uint64) (steps []Deletion) {
		err := w.DeleteMatching(t.Context(), ann, DeleteMatchingRequest{Filter: f, Limit: limit}, func(d Deletion) error {
			if d.Token == "" {
				t.Error("a deletion without a token")
			}
			d.Token = ""
			steps = append(steps, d)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return steps
	}
	if diff := cmp.Diff([]Deletion{{Deleted: 300}, {Deleted: 300}}, run(300)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Deletion{{Deleted: 2000}, {Deleted: 2200}, {Deleted: 2200, Complete: true}}, run(0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"doc:b#viewer@user:1"}, w.all()); diff != "" {
		t.Error(diff)
	}
	if got := run(5); !slices.Equal(got, []Deletion{{Complete: true}}) {
		t.Errorf("with nothing left: %+v", got)
	}
}

// TestCount_IsThatOfTheList: whole, by prefix, and in parts that a limit ends.
func TestCount_IsThatOfTheList(t *testing.T) {
	w := newWorld(t)
	var texts []string
	for i := range 95 {
		texts = append(texts, fmt.Sprintf("doc:%02d#viewer@user:ann", i))
		if i%3 == 0 {
			texts = append(texts, fmt.Sprintf("doc:%02d#banned@user:ann", i))
		}
	}
	w.touch(append(texts, `doc:near#viewer@user:ann[near:{"most":3}]`)...)
	for _, limit := range []int{0, 10, 64} {
		for prefix, want := range map[string]ListCount{"": {Results: 64, Conditional: 1}, "1": {Results: 7}, "n": {Results: 1, Conditional: 1}} {
			r := objectsOf("user:ann")
			r.Limit, r.Prefix = limit, prefix
			var got ListCount
			for more := true; more; more = r.Cursor != "" {
				l, err := w.ListObjects(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				part, err := l.Count(t.Context())
				if err != nil || limit > 0 && part.Results > int64(limit) {
					t.Fatal(part, err)
				}
				got.Results, got.Conditional = got.Results+part.Results, got.Conditional+part.Conditional
				r.Cursor = l.Cursor()
			}
			if got != want {
				t.Errorf("prefix %q, %d at a time: %+v, want %+v", prefix, limit, got, want)
			}
		}
	}
}

func TestCount_TellsExceptionsFromWildcards(t *testing.T) {
	w := newWorld(t)
	w.touch("doc:a#viewer@user:*", "doc:a#banned@user:bob", "doc:a#viewer@user:ann")
	o, _ := tuple.ParseObject("doc:a")
	l, err := w.ListSubjects(t.Context(), ListSubjectsRequest{Object: o, Permission: "view", Type: "user"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Count(t.Context()); err != nil || got != (ListCount{Results: 3, Excepted: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestCount_PastItsLimitIsNoNumber: what has been counted so far is not the answer.
func TestCount_PastItsLimitIsNoNumber(t *testing.T) {
	w := newWorld(t)
	w.opts.Limits.List = 50
	var texts []string
	for i := range 95 {
		texts = append(texts, fmt.Sprintf("doc:%02d#viewer@user:ann", i))
	}
	w.touch(texts...)
	l, err := w.ListObjects(t.Context(), objectsOf("user:ann"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.Count(t.Context()); got != (ListCount{}) || reasonOf(t, err) != "READS_LIMIT" {
		t.Errorf("%+v, %v", got, err)
	}
}
