package iam

import (
	"strings"
	"testing"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// fieldOf returns the field that a request fails by, "" = it passes.
func fieldOf(r proto.Message) string {
	if err := rulesOf(r.ProtoReflect().Descriptor()).check(r.ProtoReflect()); err != nil {
		return domainError(err).Field
	}
	return ""
}

func text(n int) string { return strings.Repeat("a", n) }

func mask(paths ...string) *fieldmaskpb.FieldMask { return &fieldmaskpb.FieldMask{Paths: paths} }

func bindings(n int) []*access.AccessBinding {
	var out []*access.AccessBinding
	for range n {
		out = append(out, &access.AccessBinding{RoleId: "viewer", Subject: &access.Subject{Id: "a", Type: "userAccount"}})
	}
	return out
}

func deltas(n int, action access.AccessBindingAction) []*access.AccessBindingDelta {
	var out []*access.AccessBindingDelta
	for _, b := range bindings(n) {
		out = append(out, &access.AccessBindingDelta{Action: action, AccessBinding: b})
	}
	return out
}

func TestRules_AreThoseOfTheProtoFiles(t *testing.T) {
	labels := func(n int) map[string]string {
		out := map[string]string{}
		for i := range n {
			out["k"+strings.Repeat("-", i)] = "v"
		}
		return out
	}
	for _, c := range []struct {
		name  string
		want  string // the field to blame
		given proto.Message
	}{
		{"required", "service_account_id", &iamv1.GetServiceAccountRequest{}},
		{"an id of 50", "", &iamv1.GetServiceAccountRequest{ServiceAccountId: text(50)}},
		{"an id of 51", "service_account_id", &iamv1.GetServiceAccountRequest{ServiceAccountId: text(51)}},
		{"characters, not bytes", "", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a", Description: strings.Repeat("é", 256)}},
		{"a description of 257", "description", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a", Description: text(257)}},
		{"a name with capitals", "name", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "Robot"}},
		{"a name of 64", "name", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: text(64)}},
		{"a name with a line break", "name", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a\n"}},
		{"no name", "name", &iamv1.CreateServiceAccountRequest{FolderId: "f"}},
		{"a group's name", "", &orgv1.CreateGroupRequest{OrganizationId: "o", Name: "Ops.Team_1"}},
		{"63 labels", "", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a", Labels: labels(63)}},
		{"a label's key of 64", "labels (key)", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a", Labels: map[string]string{text(64): ""}}},
		{"a label's key with capitals", "labels (key)", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a", Labels: map[string]string{"K": ""}}},
		{"a label's value", "labels (value)", &iamv1.CreateServiceAccountRequest{FolderId: "f", Name: "a", Labels: map[string]string{"k": "V"}}},
		{"a page of 1000", "", &iamv1.ListServiceAccountsRequest{FolderId: "f", PageSize: 1000}},
		{"a page of 1001", "page_size", &iamv1.ListServiceAccountsRequest{FolderId: "f", PageSize: 1001}},
		{"a page of -1", "page_size", &iamv1.ListServiceAccountsRequest{FolderId: "f", PageSize: -1}},
		{"a page token of 2001", "page_token", &iamv1.ListServiceAccountsRequest{FolderId: "f", PageToken: text(2001)}},
		{"a filter of 1001", "filter", &iamv1.ListServiceAccountsRequest{FolderId: "f", Filter: text(1001)}},
		{"1000 bindings", "", &access.SetAccessBindingsRequest{ResourceId: "r", AccessBindings: bindings(1000)}},
		{"1001 bindings", "access_bindings", &access.SetAccessBindingsRequest{ResourceId: "r", AccessBindings: bindings(1001)}},
		{"no bindings", "", &access.SetAccessBindingsRequest{ResourceId: "r"}},
		{"a binding without subject", "access_bindings[0].subject", &access.SetAccessBindingsRequest{ResourceId: "r", AccessBindings: []*access.AccessBinding{{RoleId: "viewer"}}}},
		{"no deltas", "access_binding_deltas", &access.UpdateAccessBindingsRequest{ResourceId: "r"}},
		{"1001 deltas", "access_binding_deltas", &access.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: deltas(1001, access.AccessBindingAction_ADD)}},
		{"a delta without action", "access_binding_deltas[0].action", &access.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: deltas(1, 0)}},
		{"a delta of an action to come", "access_binding_deltas[0].action", &access.UpdateAccessBindingsRequest{ResourceId: "r", AccessBindingDeltas: deltas(1, 3)}},
		{"no identity", "identity", &iamv1.CreateIamTokenRequest{}},
		{"a JWT of 8001", "jwt", &iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_Jwt{Jwt: text(8001)}}},
		{"a token of 4097", "iam_token", &iamv1.RevokeIamTokenRequest{IamToken: text(4097)}},
		{"a time of 2105", "", &resv1.DeleteFolderRequest{FolderId: "f", DeleteAfter: timestamppb.New(time.Date(2105, 12, 31, 23, 59, 59, 999, time.UTC))}},
		{"a time of 2106", "delete_after", &resv1.DeleteFolderRequest{FolderId: "f", DeleteAfter: timestamppb.New(time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC))}},
		{"a time of 1969", "delete_after", &resv1.DeleteFolderRequest{FolderId: "f", DeleteAfter: &timestamppb.Timestamp{Seconds: -1}}},
		{"no time at all", "delete_after", &resv1.DeleteFolderRequest{FolderId: "f", DeleteAfter: &timestamppb.Timestamp{Nanos: -1}}},
		{"an algorithm to come", "key_algorithm", &iamv1.CreateKeyRequest{KeyAlgorithm: 7}},
		{"a format to come", "format", &iamv1.CreateKeyRequest{Format: 1}},
		{"1001 members", "member_deltas", &orgv1.UpdateGroupMembersRequest{GroupId: "g", MemberDeltas: make([]*orgv1.MemberDelta, 1001)}},
	} {
		if got := fieldOf(c.given); got != c.want {
			t.Errorf("%s: it fails by %q, want %q", c.name, got, c.want)
		}
	}
}

func TestMask_SaysWhichFieldsCount(t *testing.T) {
	for _, c := range []struct {
		name  string
		want  string
		given proto.Message
	}{
		{"a field that is not there", "update_mask", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", UpdateMask: mask("names")}},
		{"a part of a field", "update_mask", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", UpdateMask: mask("labels.k")}},
		{"the id", "update_mask", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", UpdateMask: mask("service_account_id")}},
		{"everything", "update_mask", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", UpdateMask: mask("*")}},
		{"what is not named may be wrong", "", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", Name: "Wrong", UpdateMask: mask("description")}},
		{"what is named may not", "name", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", Name: "Wrong", UpdateMask: mask("description", "name")}},
		{"without a mask everything counts", "name", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", Name: "Wrong"}},
		{"a required field that is not named", "", &iamv1.UpdateServiceAccountRequest{ServiceAccountId: "a", UpdateMask: mask("labels")}},
		{"the id is always required", "service_account_id", &iamv1.UpdateServiceAccountRequest{UpdateMask: mask("labels")}},
		{"a folder's name may be empty", "", &resv1.UpdateFolderRequest{FolderId: "f"}},
	} {
		if got := fieldOf(c.given); got != c.want {
			t.Errorf("%s: it fails by %q, want %q", c.name, got, c.want)
		}
	}
}

func TestUpdated_WithoutMaskIsEverything(t *testing.T) {
	got := strings.Join(updated(&iamv1.UpdateServiceAccountRequest{}), " ")
	if want := "name description labels expires_at"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := updated(&resv1.UpdateCloudRequest{UpdateMask: mask("labels")}); len(got) != 1 || got[0] != "labels" {
		t.Errorf("got %v, want [labels]", got)
	}
}

func TestFilter_TakesNamesOnly(t *testing.T) {
	for filter, want := range map[string]string{"": "", `name="robot"`: "robot", ` name = 'robot' `: "robot"} {
		if got, err := nameIn(filter); got != want || err != nil {
			t.Errorf("%s: got %q, %v", filter, got, err)
		}
	}
	for _, filter := range []string{"robot", "name=robot", `name!="robot"`, `id="robot"`, `name="a" AND name="b"`, `name=""`, `name="a'`} {
		if got, err := nameIn(filter); err == nil {
			t.Errorf("%s: got %q, want an error", filter, got)
		}
	}
}

func TestSpan_ReadsWhatDefinitionsWrite(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int64
		want bool
	}{
		{"1-63", 0, false}, {"1-63", 1, true}, {"1-63", 63, true}, {"1-63", 64, false}, {"<=256", 256, true}, {"<=256", 257, false},
		{"<5", 5, false}, {">0", 0, false}, {">0", 1, true}, {">=2", 2, true}, {"5", 5, true}, {"5", 6, false},
	} {
		if got := countSpan(c.text).has(c.n); got != c.want {
			t.Errorf("%d in %s: got %v", c.n, c.text, got)
		}
	}
}
