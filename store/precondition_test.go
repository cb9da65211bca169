package store

import (
	"fmt"
	"testing"

	"github.com/pemba-authz/pemba/tuple"
)

// keyed has a tuple of each form, one that was deleted and one that has expired.
func keyed(t testing.TB) *Store {
	s := New(Options{})
	touch := func(object, relation, typ, id, userset string, expires int64) Update {
		return Update{Op: OpTouch, Tuple: tuple.Tuple{Object: tuple.Object{Type: "doc", ID: object}, Relation: relation,
			Subject: tuple.Subject{Type: typ, ID: id, Relation: userset}, Expires: expires}}
	}
	gone := touch("a", "viewer", "user", "gone", "", 0)
	apply(t, s, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "t"})
	apply(t, s, 2, Command{Kind: KindWrite, Tenant: "t", Time: 50, Updates: []Update{
		touch("a", "viewer", "user", "ann", "", 0), touch("b", "viewer", "user", "*", "", 0), touch("b", "owner", "user", "ann", "", 0),
		touch("a", "viewer", "group", "g", "member", 0), touch("a", "viewer", "user", "late", "", 60), gone,
	}})
	gone.Op = OpDelete
	apply(t, s, 3, Command{Kind: KindWrite, Tenant: "t", Time: 100, Updates: []Update{gone}})
	return s
}

func TestPrecondition_OfAWholeKey(t *testing.T) {
	s := keyed(t)
	rev := uint64(3)
	try := func(c Command) Outcome {
		rev++
		return apply(t, s, rev, c)[0]
	}
	for text, there := range map[string]bool{
		"a viewer user ann ...": true, "b viewer user * ...": true, "a viewer group g member": true, "b owner user ann ...": true,
		"a viewer user gone ...": false, "a viewer user late ...": false, // deleted, expired
		"a viewer user * ...": false, "b viewer user ann ...": false, "a owner user ann ...": false, "a viewer group g ...": false,
		"a viewer user ann member": false, "a viewer user ann none": false, "a none user ann ...": false, "none viewer user ann ...": false,
		"a viewer user * member": false, "a viewer none ann ...": false,
	} {
		f := tuple.Filter{Type: "doc"}
		if n, err := fmt.Sscan(text, &f.ID, &f.Relation, &f.SubjectType, &f.SubjectID, &f.SubjectRelation); n != 5 {
			t.Fatal(err)
		}
		for kind, want := range map[PreconditionKind]bool{PreTuplesMatch: there, PreTuplesAbsent: !there} {
			o := try(Command{Kind: KindWrite, Tenant: "t", Time: 100, Preconditions: []Precondition{{Kind: kind, Filter: f}}})
			if got := o.Code == OK; got != want {
				t.Errorf("%s, kind %d: %v, want it to hold: %v", text, kind, o, want)
			}
		}
	}
}

// Requirements of whole keys take as long with thousands of relations as with few.
func BenchmarkPreconditions(b *testing.B) {
	for _, relations := range []int{10, 3000} {
		b.Run(fmt.Sprint(relations), func(b *testing.B) {
			s := New(Options{})
			apply(b, s, 1, Command{Kind: KindInit, ClusterID: "c", Tenant: "t"})
			var updates []Update
			for i := range relations {
				updates = append(updates, Update{Op: OpTouch, Tuple: tuple.Tuple{Object: tuple.Object{Type: "doc", ID: fmt.Sprint(i % 100)},
					Relation: fmt.Sprint("r", i), Subject: tuple.Subject{Type: "user", ID: "ann"}}})
			}
			apply(b, s, 2, Command{Kind: KindWrite, Tenant: "t", Updates: updates})
			var all []Precondition
			for i := range 200 {
				all = append(all, Precondition{Kind: PreTuplesAbsent, Filter: tuple.Filter{Type: "doc", ID: fmt.Sprint(i / 2), Relation: fmt.Sprint("r", i%10),
					SubjectType: "user", SubjectID: "ann", SubjectRelation: []string{"member", tuple.Plain}[i/100]}})
			}
			e := Entry{Commands: []Command{{Kind: KindWrite, Tenant: "t", Preconditions: all}}}
			encoded := e.Append(nil)
			rev := uint64(2)
			for b.Loop() {
				rev++
				s.Apply(rev, encoded)
			}
		})
	}
}
