package iam

import (
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"
)

// fuzzed are requests of every shape that there is.
var fuzzed = []proto.Message{
	&iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a", Labels: map[string]string{"k": "v"}},
	&iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", UpdateMask: mask("labels", "expires_at")},
	&iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_Jwt{Jwt: "a.b.c"}},
	&access.SetAccessBindingsRequest{ResourceId: "r", AccessBindings: bindings(2)},
	&access.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: deltas(2, access.AccessBindingAction_ADD)},
	&resv1.DeleteFolderRequest{FolderId: "f"},
	&orgv1.UpdateGroupMembersRequest{GroupId: "g", MemberDeltas: []*orgv1.MemberDelta{{Action: orgv1.MemberDelta_ADD, SubjectId: "a"}}},
}

// FuzzRules holds whatever bytes decode to the rules, and translates what passes.
func FuzzRules(f *testing.F) {
	var compiled []*rules
	for i, m := range fuzzed {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
		compiled = append(compiled, rulesOf(m.ProtoReflect().Descriptor()))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		i := int(which) % len(fuzzed)
		m := fuzzed[i].ProtoReflect().New()
		if proto.Unmarshal(data, m.Interface()) != nil || compiled[i].check(m) != nil {
			return
		}
		switch r := m.Interface().(type) {
		case *access.SetAccessBindingsRequest:
			if n := len(all(r.GetAccessBindings(), bindingOf)); n > 1000 {
				t.Errorf("%d bindings pass", n)
			}
		case *access.UpdateAccessBindingsRequest:
			for _, d := range all(r.GetAccessBindingDeltas(), deltaOf) {
				if d.Binding.RoleID == "" || d.Binding.Subject.ID == "" || d.Binding.Subject.Type == "" {
					t.Errorf("%+v passes", d)
				}
			}
		case *resv1.DeleteFolderRequest:
			if at := deletionOf(r.GetDeleteAfter()); (at == 0) != (r.GetDeleteAfter() == nil) || at < 0 {
				t.Errorf("%v is deleted after %d", r, at)
			}
		case updating:
			if len(updated(r)) == 0 {
				t.Errorf("%v updates nothing", r)
			}
		}
	})
}

func BenchmarkVendor(b *testing.B) {
	for b.Loop() {
		Vendor(Config{Log: discard})
	}
}
