package native

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// nesting returns how many messages of m lie within each other.
func nesting(m protoreflect.Message) int {
	most := 0
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				most = max(most, nesting(v.List().Get(i).Message()))
			}
		default:
			most = max(most, nesting(v.Message()))
		}
		return true
	})
	return 1 + most
}

// TestTrees_NestNoDeeperThanClientsTake: outside Go, a hundred levels are the
// most that the protobuf libraries decode.
func TestTrees_NestNoDeeperThanClientsTake(t *testing.T) {
	const groups = 450
	tuples := []string{"doc:a#viewer@group:0#member", fmt.Sprintf("group:%d#member@user:ann", groups)}
	for i := range groups {
		tuples = append(tuples, fmt.Sprintf("group:%d#member@group:%d#member", i, i+1))
	}
	f := openWith(t, tuples...)
	tree, err := f.permissions.Expand(deadline(t), &pembav1.ExpandRequest{Object: &pembav1.Object{Type: "doc", Id: "a"}, Permission: "view", Depth: -1})
	if err != nil {
		t.Fatal(err)
	}
	why, err := f.permissions.Explain(deadline(t), &pembav1.ExplainRequest{Check: asks(t, fmt.Sprintf("group:%d#member@user:ann", groups-49))})
	if err != nil {
		t.Fatal(err)
	}
	cut := tree.GetTree()
	for len(cut.GetChildren()) > 0 {
		cut = cut.GetChildren()[0]
	}
	if cut.GetKind() != pembav1.ExpandNode_KIND_CUT || cut.GetText() == "" {
		t.Errorf("the tree ends with %v", cut)
	}
	skipped := why.GetWhy()
	for len(skipped.GetChildren()) > 0 {
		skipped = skipped.GetChildren()[0]
	}
	if skipped.GetKind() != pembav1.ExplainStep_KIND_SKIPPED || skipped.GetNote() == "" {
		t.Errorf("the explanation ends with %v", skipped)
	}
	for name, m := range map[string]proto.Message{"expand": tree, "explain": why} {
		if n := nesting(m.ProtoReflect()); n < 90 || n > 100 {
			t.Errorf("%s: %d levels", name, n)
		}
		if raw, err := proto.Marshal(m); err != nil {
			t.Error(err)
		} else if err := (proto.UnmarshalOptions{RecursionLimit: 100}).Unmarshal(raw, m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExplain_SaysWhatACaveatLacksAndWhyItFails(t *testing.T) {
	f := openWith(t, `doc:b#viewer@user:eve[adult:{"minimum":18}]`)
	use := func(context string) *pembav1.ExplainStep_CaveatUse {
		t.Helper()
		check := asks(t, "doc:b#view@user:eve")
		check.ContextJson = context
		reply, err := f.permissions.Explain(deadline(t), &pembav1.ExplainRequest{Check: check})
		if err != nil {
			t.Fatal(err)
		}
		steps := []*pembav1.ExplainStep{reply.GetWhy()}
		for i := 0; i < len(steps); i++ {
			if steps[i].GetCaveat() != nil {
				return steps[i].GetCaveat()
			}
			steps = append(steps, steps[i].GetChildren()...)
		}
		t.Fatal("no caveat")
		return nil
	}
	if c := use(""); !cmp.Equal(c.GetMissingContext(), []string{"age"}) || c.GetError() != "" {
		t.Errorf("without context: %v", c)
	}
	if c := use(`{"age":"old"}`); c.GetError() == "" || len(c.GetMissingContext()) > 0 {
		t.Errorf("with a wrong one: %v", c)
	}
}
