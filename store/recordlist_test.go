package store

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecords_AreThoseOfTheView(t *testing.T) {
	s := ready(t)
	put := func(rev uint64, rs ...RecordUpdate) {
		t.Helper()
		apply(t, s, rev, Command{Kind: KindWrite, Tenant: "default", Records: rs})
	}
	put(2, RecordUpdate{Key: "b/2", Value: []byte("x")}, RecordUpdate{Key: "b/1", Value: []byte("y")}, RecordUpdate{Key: "c", Value: []byte("z")})
	put(3, RecordUpdate{Key: "b/2", Value: []byte("xx")}, RecordUpdate{Key: "b/3", Value: []byte("new")})
	put(4, RecordUpdate{Key: "b/1", Delete: true})
	put(5, RecordUpdate{Key: "b/1", Value: []byte("again")})
	list := func(rev uint64, prefix string) (out []string) {
		for k, v := range must[View](t)(s.View("default", rev)).Records(prefix) {
			out = append(out, fmt.Sprintf("%s=%s", k, v))
		}
		return out
	}
	for _, c := range []struct {
		rev    uint64
		prefix string
		want   []string
	}{
		{2, "b/", []string{"b/1=y", "b/2=x"}},
		{3, "b/", []string{"b/1=y", "b/2=xx", "b/3=new"}},
		{4, "b/", []string{"b/2=xx", "b/3=new"}},
		{5, "b/", []string{"b/1=again", "b/2=xx", "b/3=new"}},
		{5, "c", []string{"c=z"}},
		{5, "d", nil},
	} {
		if diff := cmp.Diff(c.want, list(c.rev, c.prefix)); diff != "" {
			t.Errorf("%s at %d: %s", c.prefix, c.rev, diff)
		}
	}
	g := s.state.Load().space("default").gen.Load().rebuild(4)
	if diff := cmp.Diff([]string{"b/1", "b/2", "b/3"}, g.records.keys("b/")); diff != "" {
		t.Error(diff)
	}
}
