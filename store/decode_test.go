package store

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeEntry_SharesNothingWithItsData(t *testing.T) {
	c := write(t, OpTouch, "doc:a#viewer@group:g#member[ip:{\"a\":1}]", "doc:b#viewer@user:x")
	c.Records = []RecordUpdate{{Key: "k", Value: []byte("v")}}
	want := Entry{Commands: []Command{c}}
	data := want.Append(nil)
	got := must[Entry](t)(DecodeEntry(data))
	for i := range data {
		data[i] = '!'
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// TestApply_KeepsNothingOfTheEntry changes the bytes of an entry after it has
// been applied.
func TestApply_KeepsNothingOfTheEntry(t *testing.T) {
	a, b := ready(t), ready(t)
	c := write(t, OpTouch, "doc:a#viewer@group:g#member[ip:{\"a\":1}]", "doc:b#viewer@user:x")
	c.Records, c.RequestID = []RecordUpdate{{Key: "k", Value: []byte("v")}}, uuid7(c.Time, 1)
	e := Entry{Commands: []Command{{Kind: KindCreateTenant, Tenant: "other"}, c}}
	data := e.Append(nil)
	a.Apply(2, data)
	b.Apply(2, e.Append(nil))
	for i := range data {
		data[i] = '!'
	}
	_, ha := a.Hash()
	if _, hb := b.Hash(); ha != hb {
		t.Fatal("the state has changed with the bytes of an entry")
	}
	if err := a.Verify(); err != nil {
		t.Fatal(err)
	}
}

func TestRestore_RefusesATextThatIsTooLong(t *testing.T) {
	long := appendString([]byte{1, 3, 'd', 'o', 'c', 0, 1, 0}, strings.Repeat("x", maxText+1))
	r := reader{data: append(long, 0, 0)} // no caveats, no facts
	if r.facts(); r.end() == nil || !strings.Contains(r.end().Error(), "a text of") {
		t.Fatal(r.end())
	}
}
