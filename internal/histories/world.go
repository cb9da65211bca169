//go:build linux

package histories

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pemba-authz/pemba/graph"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// schema has registers, whose tuple has a value in its caveat's context; gates
// that the new enemy goes by; and a small world of documents to ask about.
const schema = `use expiration

caveat tagged(tag string) {
	tag != ""
}

definition user {}

definition register {
	relation value: user with tagged
}

definition gate {
	relation member: user
}

definition secret {
	relation viewer: gate#member
	permission view = viewer
}

definition group {
	relation member: user | group#member
}

definition folder {
	relation viewer: user | group#member
	relation banned: user
	permission view = viewer - banned
}

definition doc {
	relation parent: folder
	relation viewer: user | user with expiration | group#member
	relation banned: user
	permission view = (viewer + parent->view) - banned
}
`

// The world is small, so that questions come again while what they depend on
// changes.
const (
	registers = 6
	users     = 5
	groups    = 4
	folders   = 2
	docs      = 5
)

// registerTuple is the tuple of a register; value "" is for deletions.
func registerTuple(i int, value string) tuple.Tuple {
	t := tuple.Tuple{
		Object: tuple.Object{Type: "register", ID: fmt.Sprint("r", i)}, Relation: "value",
		Subject: tuple.Subject{Type: "user", ID: "it"},
	}
	if value != "" {
		t.Caveat, t.Context = "tagged", fmt.Sprintf(`{"tag":%q}`, value)
	}
	return t
}

// valueOf is what a register's tuple holds.
func valueOf(t tuple.Tuple) string {
	args, err := tuple.DecodeContext([]byte(t.Context))
	if err != nil {
		return "?" + t.Context
	}
	return fmt.Sprint(args["tag"])
}

// someTuple returns a random tuple of the world of documents.
func someTuple(r *rand.Rand) tuple.Tuple {
	user := tuple.Subject{Type: "user", ID: fmt.Sprint("u", r.IntN(users))}
	g := r.IntN(groups)
	members := tuple.Subject{Type: "group", ID: fmt.Sprint("g", g), Relation: "member"}
	doc := tuple.Object{Type: "doc", ID: fmt.Sprint("d", r.IntN(docs))}
	folder := tuple.Object{Type: "folder", ID: fmt.Sprint("f", r.IntN(folders))}
	either := user
	if r.IntN(2) == 0 {
		either = members
	}
	switch r.IntN(10) {
	case 0, 1:
		return tuple.Tuple{Object: members.Object(), Relation: "member", Subject: user}
	case 2:
		inner := tuple.Subject{Type: "group", ID: fmt.Sprint("g", g+1), Relation: "member"}
		return tuple.Tuple{Object: members.Object(), Relation: "member", Subject: inner}
	case 3:
		return tuple.Tuple{Object: folder, Relation: "viewer", Subject: either}
	case 4:
		return tuple.Tuple{Object: folder, Relation: "banned", Subject: user}
	case 5:
		return tuple.Tuple{Object: doc, Relation: "banned", Subject: user}
	case 6:
		return tuple.Tuple{Object: doc, Relation: "parent", Subject: tuple.Subject{Type: "folder", ID: folder.ID}}
	case 7, 8:
		expires := time.Now().Add(time.Duration(200+r.IntN(2000)) * time.Millisecond)
		return tuple.Tuple{Object: doc, Relation: "viewer", Subject: user, Expires: expires.UnixNano()}
	}
	return tuple.Tuple{Object: doc, Relation: "viewer", Subject: either}
}

// someUpdates returns up to three changes of the world, of different tuples.
func someUpdates(r *rand.Rand) []*pb.Update {
	seen := map[tuple.Key]bool{}
	var out []*pb.Update
	for range 1 + r.IntN(3) {
		t := someTuple(r)
		if seen[t.Key()] {
			continue
		}
		seen[t.Key()] = true
		if r.IntN(5) < 2 {
			out = append(out, remove(t))
		} else {
			out = append(out, touch(t))
		}
	}
	return out
}

// someQuestion returns a random question about the world.
func someQuestion(r *rand.Rand) graph.Question {
	q := graph.Question{
		Object: tuple.Object{Type: "doc", ID: fmt.Sprint("d", r.IntN(docs))}, Permission: "view",
		Subjects: []tuple.Subject{{Type: "user", ID: fmt.Sprint("u", r.IntN(users))}},
	}
	switch r.IntN(6) {
	case 0:
		q.Object = tuple.Object{Type: "folder", ID: fmt.Sprint("f", r.IntN(folders))}
	case 1:
		q.Object, q.Permission = tuple.Object{Type: "group", ID: fmt.Sprint("g", r.IntN(groups))}, "member"
	}
	return q
}

// inWorld reports whether a question may depend on tuples of such objects.
func inWorld(typ string) bool { return typ == "doc" || typ == "folder" || typ == "group" }
