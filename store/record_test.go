package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestApply_RecordEquals decides at the state that the entry's commands before
// have left.
func TestApply_RecordEquals(t *testing.T) {
	put := func(value []byte, del bool) Command {
		return Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: "k", Value: value, Delete: del}}}
	}
	when := func(value []byte) Command {
		return Command{Kind: KindWrite, Tenant: "default", Preconditions: []Precondition{{Kind: PreRecordEquals, Record: "k", Value: value}}}
	}
	s := ready(t)
	outs := apply(t, s, 2,
		when(nil), when([]byte{}), when([]byte("a")),
		put(nil, false), when(nil), when([]byte{}), when([]byte("a")),
		put([]byte("a"), false), when(nil), when([]byte{}), when([]byte("a")), when([]byte("ab")), when([]byte("b")),
		put(nil, true), when(nil), when([]byte{}), when([]byte("a")))
	const no = CodePrecondition
	want := []Code{OK, no, no, OK, no, OK, no, OK, no, no, OK, no, no, OK, OK, no, no}
	if diff := cmp.Diff(want, codes(outs)); diff != "" {
		t.Fatal(diff)
	}
}

func TestApply_RecordEqualsLooksAtNoRevision(t *testing.T) {
	s := ready(t)
	apply(t, s, 2, Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: "k", Value: []byte("v")}}})
	apply(t, s, 9, Command{Kind: KindHorizon, Horizon: 9})
	c := Command{Kind: KindWrite, Tenant: "default", Preconditions: []Precondition{{Kind: PreRecordEquals, Record: "k", Value: []byte("v")}}}
	for name, s := range map[string]*Store{"same": s, "restored": restored(t, s)} {
		if outs := apply(t, s, 10, c); outs[0].Code != OK {
			t.Errorf("%s: %v", name, outs[0])
		}
	}
}

// The value is part of what a request id is bound to.
func TestApply_RecordEqualsWithAnotherValueIsAnotherRequest(t *testing.T) {
	s := ready(t)
	c := write(t, OpTouch, "doc:a#viewer@user:x")
	c.RequestID = uuid7(c.Time, 1)
	c.Preconditions = []Precondition{{Kind: PreRecordEquals, Record: "k"}}
	apply(t, s, 2, c)
	c.Preconditions[0].Value = []byte{}
	if outs := apply(t, s, 3, c); outs[0].Code != CodeRequestReused {
		t.Fatal(outs[0])
	}
}

// TestRecordVersions_AgreeWithTheModel compares all stores at every readable
// revision, and reads what each version wrote.
func TestRecordVersions_AgreeWithTheModel(t *testing.T) {
	eachSeed(t, 150, func(t *testing.T, h *history) {
		for rev := h.horizon(); rev <= h.last; rev++ {
			for name, s := range h.stores {
				v := must[View](t)(s.View("default", rev))
				for _, key := range []string{SchemaRecord, "1", "2", "none"} {
					got, want := v.RecordVersions(key), h.models["default"].versions(key, h.horizon(), rev)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%s store, record %q at revision %d, horizon %d: %s", name, key, rev, h.horizon(), diff)
					}
				}
			}
		}
	})
}

func (m *model) versions(key string, horizon, rev uint64) []uint64 {
	var revs []uint64
	for r := rev; r > 0; r-- {
		if w := m.record(key, r); w.rev == r && w.value != nil {
			revs = append(revs, r)
		}
		if r <= horizon && m.record(key, r).rev == r {
			break
		}
	}
	return revs
}

func TestRecordVersions_CanBeRead(t *testing.T) {
	s := ready(t)
	put := func(value string) Command {
		return Command{Kind: KindWrite, Tenant: "default", Records: []RecordUpdate{{Key: "k", Value: []byte(value), Delete: value == ""}}}
	}
	for i, value := range []string{"a", "b", "", "c", "d", ""} {
		apply(t, s, uint64(2+2*i), put(value))
	}
	apply(t, s, 14, put("e"), put("f"))
	apply(t, s, 15, put("g"), put(""))
	apply(t, s, 16, Command{Kind: KindHorizon, Horizon: 5})
	v := must[View](t)(s.View("default", 0))
	revs := v.RecordVersions("k")
	if diff := cmp.Diff([]uint64{14, 10, 8, 4}, revs); diff != "" {
		t.Fatal(diff)
	}
	slices.Reverse(revs)
	var got []string
	for _, rev := range revs {
		value, at, _ := must[View](t)(s.View("default", max(rev, 5))).Record("k")
		got = append(got, fmt.Sprint(at, string(value)))
	}
	if diff := cmp.Diff([]string{"4b", "8c", "10d", "14f"}, got); diff != "" {
		t.Fatal(diff)
	}
}
