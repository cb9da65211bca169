package iam

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/proto/codec"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	allowed = pembav1.Decision_DECISION_ALLOWED
	denied  = pembav1.Decision_DECISION_DENIED
)

func latestView() *pembav1.Consistency {
	return &pembav1.Consistency{Level: &pembav1.Consistency_Latest{Latest: &pembav1.Consistency_LatestLevel{}}}
}

// asks is a question about a subject in the first folder.
func (s *ownSite) asks(who *pb.Subject, permission string) *pb.AuthorizeRequest {
	return &pb.AuthorizeRequest{
		Identity: &pb.AuthorizeRequest_Subject{Subject: who}, Permission: permission,
		ResourcePath: []*pb.Resource{{Kind: "compute.disk", Id: "d1"}, s.folder()}, Consistency: latestView(),
	}
}

// viewer makes an account that may view the first folder, and a token of it.
func (s *ownSite) viewer(t *testing.T) (who *pb.Subject, token string) {
	t.Helper()
	id, _ := s.account(t, "viewer")
	s.grant(t, "viewer", "serviceAccount", id)
	made := must(s.tokens.CreateForServiceAccount(s.ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}))(t)
	return &pb.Subject{Type: "serviceAccount", Id: id}, made.GetIamToken()
}

func TestAccess_NeedsTheServersKey(t *testing.T) {
	s := openOwn(t)
	_, err := s.access.Authorize(s.ctx, s.asks(&pb.Subject{Type: "serviceAccount", Id: s.AccountID}, "viewer"))
	failed(t, err, "Unauthenticated WRONG_KEY")
	_, err = s.access.Authenticate(deadline(t), &pb.AuthenticateRequest{IamToken: "t1.x.y"})
	failed(t, err, "Unauthenticated NO_KEY")
}

func TestAuthorize_DecidesForSubjectTokenAndNobody(t *testing.T) {
	s := openOwn(t)
	who, token := s.viewer(t)
	for name, c := range map[string]struct {
		ask  func(r *pb.AuthorizeRequest)
		want pembav1.Decision
	}{
		"subject may":     {func(*pb.AuthorizeRequest) {}, allowed},
		"subject may not": {func(r *pb.AuthorizeRequest) { r.Permission = "compute.disks.delete" }, denied},
		"token may":       {func(r *pb.AuthorizeRequest) { r.Identity = &pb.AuthorizeRequest_IamToken{IamToken: token} }, allowed},
		"token may not": {func(r *pb.AuthorizeRequest) {
			r.Identity, r.Permission = &pb.AuthorizeRequest_IamToken{IamToken: token}, "compute.disks.delete"
		}, denied},
		"nobody may not":  {func(r *pb.AuthorizeRequest) { r.Identity = &pb.AuthorizeRequest_Anonymous{Anonymous: &pb.Anonymous{}} }, denied},
		"a role is asked": {func(r *pb.AuthorizeRequest) { r.Permission = "auditor" }, allowed},
	} {
		r := s.asks(who, "compute.disks.get")
		c.ask(r)
		got := must(s.access.Authorize(s.service, r))(t)
		if got.GetDecision() != c.want || got.GetToken() == "" || got.GetGrant() != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// An identity that is left out is a mistake of the asking service, and must not
// be answered as if somebody else, or nobody, asked.
func TestAuthorize_RefusesAnIdentityThatIsNone(t *testing.T) {
	s := openOwn(t)
	for name, r := range map[string]*pb.AuthorizeRequest{
		"absent":        {},
		"empty token":   {Identity: &pb.AuthorizeRequest_IamToken{}},
		"empty subject": {Identity: &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{}}},
		"nil subject":   {Identity: &pb.AuthorizeRequest_Subject{}},
		"no type":       {Identity: &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{Id: s.AccountID}}},
		"no id":         {Identity: &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{Type: "serviceAccount"}}},
	} {
		r.Permission, r.ResourcePath = "viewer", []*pb.Resource{s.folder()}
		got, err := s.access.Authorize(s.service, r)
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestAuthorize_RefusesWhatItCannotDecide(t *testing.T) {
	s := openOwn(t)
	who, _ := s.viewer(t)
	for name, c := range map[string]struct {
		ask  func(r *pb.AuthorizeRequest)
		want string
	}{
		"unknown permission": {func(r *pb.AuthorizeRequest) { r.Permission = "compute.disks.paint" }, "InvalidArgument UNKNOWN_PERMISSION"},
		"no permission":      {func(r *pb.AuthorizeRequest) { r.Permission = "" }, "InvalidArgument UNKNOWN_PERMISSION"},
		"no path":            {func(r *pb.AuthorizeRequest) { r.ResourcePath = nil }, "InvalidArgument MISSING_FIELD"},
		"half a resource":    {func(r *pb.AuthorizeRequest) { r.ResourcePath[0].Id = "" }, "InvalidArgument MISSING_FIELD"},
		"long path": {func(r *pb.AuthorizeRequest) {
			for range 130 {
				r.ResourcePath = append(r.ResourcePath, s.folder())
			}
		}, "InvalidArgument INVALID_FIELD"},
		"contradiction": {func(r *pb.AuthorizeRequest) {
			r.ResourcePath = append(r.ResourcePath, &pb.Resource{Kind: "resource-manager.cloud", Id: "b1gother"})
		}, "InvalidArgument PATH_CONTRADICTS"},
		"forged token": {func(r *pb.AuthorizeRequest) { r.Identity = &pb.AuthorizeRequest_IamToken{IamToken: "t1.x.y"} }, "Unauthenticated INVALID_TOKEN"},
		"no such account": {func(r *pb.AuthorizeRequest) {
			r.Identity = &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{Type: "serviceAccount", Id: "ajenobody"}}
		}, "Unauthenticated ACCOUNT_DELETED"},
		"forged consistency": {func(r *pb.AuthorizeRequest) {
			r.Consistency = &pembav1.Consistency{Level: &pembav1.Consistency_AtLeast{AtLeast: "junk"}}
		}, "InvalidArgument MALFORMED_TOKEN"},
	} {
		r := s.asks(who, "compute.disks.get")
		c.ask(r)
		_, err := s.access.Authorize(s.service, r)
		t.Log(name)
		failed(t, err, c.want)
	}
}

func TestAuthorize_ExplainsWhatAllowed(t *testing.T) {
	s := openOwn(t)
	who, _ := s.viewer(t)
	r := s.asks(who, "compute.disks.get")
	r.Explain = true
	got := must(s.access.Authorize(s.service, r))(t)
	want := &pb.AuthorizeResponse{
		Decision: allowed, Caller: &pb.Caller{Subject: who}, Token: got.GetToken(),
		ResourcePath: append(r.GetResourcePath(), &pb.Resource{Kind: "resource-manager.cloud", Id: s.CloudID}, s.organization()),
		Grant:        &pb.Grant{Resource: s.folder(), AccessBinding: &pb.AccessBinding{RoleId: "viewer", Subject: who}},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestAuthenticate_TellsWhoImpersonates(t *testing.T) {
	s := openOwn(t)
	who, token := s.viewer(t)
	got := must(s.access.Authenticate(s.service, &pb.AuthenticateRequest{IamToken: token, Consistency: latestView()}))(t).GetCaller()
	if diff := cmp.Diff(who, got.GetSubject(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got.GetImpersonator().GetId() != s.AccountID || got.GetExpiresAt() <= time.Now().Unix() || got.GetTokenId() == "" {
		t.Error(got)
	}
	must(s.tokens.Revoke(s.ctx, &iamv1.RevokeIamTokenRequest{IamToken: token}))(t)
	_, err := s.access.Authenticate(s.service, &pb.AuthenticateRequest{IamToken: token, Consistency: latestView()})
	failed(t, err, "Unauthenticated TOKEN_REVOKED")
	_, err = s.access.Authenticate(s.service, &pb.AuthenticateRequest{})
	failed(t, err, "InvalidArgument MISSING_FIELD")
}

func TestBulkAuthorize_AnswersActionsAndMatrix(t *testing.T) {
	s := openOwn(t)
	who, _ := s.viewer(t)
	path := []*pb.Resource{s.folder()}
	actions := []*pb.Action{{Permission: "compute.disks.get", ResourcePath: path}, {Permission: "compute.disks.delete", ResourcePath: path}, {Permission: "compute.disks.create", ResourcePath: path}}
	matrix := &pb.Matrix{Permissions: []string{"compute.disks.get", "compute.disks.delete", "compute.disks.create"}, ResourcePaths: []*pb.ResourcePath{{Path: path}}}
	for filter, want := range map[pb.BulkAuthorizeRequest_ResultFilter][]uint32{
		pb.BulkAuthorizeRequest_RESULT_FILTER_UNSPECIFIED:  {0, 1, 2},
		pb.BulkAuthorizeRequest_RESULT_FILTER_FIRST_FAILED: {1},
		pb.BulkAuthorizeRequest_RESULT_FILTER_ALL_FAILED:   {1, 2},
	} {
		for _, r := range []*pb.BulkAuthorizeRequest{{Actions: actions}, {Matrix: matrix}} {
			r.Identity, r.ResultFilter, r.Consistency = &pb.BulkAuthorizeRequest_Subject{Subject: who}, filter, latestView()
			got := must(s.access.BulkAuthorize(s.service, r))(t)
			var index []uint32
			for _, result := range got.GetResults() {
				index = append(index, result.GetIndex())
				if (result.GetDecision() == allowed) != (result.GetIndex() == 0) || result.GetPermission() != actions[result.GetIndex()].GetPermission() {
					t.Error(result)
				}
			}
			if !slices.Equal(index, want) || got.GetAllowed() || got.GetToken() == "" {
				t.Errorf("%v: %v", filter, got)
			}
		}
	}
}

func TestBulkAuthorize_IsAllowedIfAllIs(t *testing.T) {
	s := openOwn(t)
	who, _ := s.viewer(t)
	for filter := range pb.BulkAuthorizeRequest_ResultFilter_name {
		got := must(s.access.BulkAuthorize(s.service, &pb.BulkAuthorizeRequest{
			Identity: &pb.BulkAuthorizeRequest_Subject{Subject: who}, Consistency: latestView(), ResultFilter: pb.BulkAuthorizeRequest_ResultFilter(filter),
			Actions: []*pb.Action{{Permission: "compute.disks.get", ResourcePath: []*pb.Resource{s.folder()}}},
		}))(t)
		if !got.GetAllowed() {
			t.Error(got)
		}
	}
}

func TestBulkAuthorize_RefusesTooManyAndNone(t *testing.T) {
	s := openOwn(t)
	who, _ := s.viewer(t)
	one := &pb.Action{Permission: "compute.disks.get", ResourcePath: []*pb.Resource{s.folder()}}
	for name, r := range map[string]*pb.BulkAuthorizeRequest{
		"none":         {},
		"empty matrix": {Matrix: &pb.Matrix{}},
		"no paths":     {Matrix: &pb.Matrix{Permissions: []string{"viewer"}}},
		"both":         {Actions: []*pb.Action{one}, Matrix: &pb.Matrix{Permissions: []string{"viewer"}, ResourcePaths: []*pb.ResourcePath{{Path: one.ResourcePath}}}},
		"too many":     {Actions: slices.Repeat([]*pb.Action{one}, 1001)},
		"too large":    {Matrix: &pb.Matrix{Permissions: slices.Repeat([]string{"viewer"}, 101), ResourcePaths: slices.Repeat([]*pb.ResourcePath{{Path: one.ResourcePath}}, 10)}},
		"filter":       {Actions: []*pb.Action{one}, ResultFilter: 9},
		"one is wrong": {Actions: []*pb.Action{one, {Permission: "compute.disks.paint", ResourcePath: one.ResourcePath}}},
	} {
		r.Identity = &pb.BulkAuthorizeRequest_Subject{Subject: who}
		if got, err := s.access.BulkAuthorize(s.service, r); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestAuthorize_AllocatesLittleForTheWire(t *testing.T) {
	if testing.Short() {
		t.Skip("pools forget under the race detector, which runs short tests")
	}
	a := newAsked(t)
	ask := &core.AuthorizeRequest{Token: a.message.GetIamToken(), Permission: a.message.GetPermission(),
		Path: []core.Resource{ownResource(a.message.GetResourcePath()[0]), ownResource(a.message.GetResourcePath()[1])}}
	alone := testing.AllocsPerRun(100, func() {
		if _, err := a.iam.Authorize(t.Context(), ask); err != nil {
			t.Fatal(err)
		}
	})
	server := &accessServer{door: &door{iam: a.iam}}
	receive := func(into any) error { return codec.Codec{}.Unmarshal(a.wire, into) }
	whole := testing.AllocsPerRun(100, func() {
		if _, err := serveAuthorize(server, t.Context(), receive, nil); err != nil {
			t.Fatal(err)
		}
	})
	if most := alone + 2; whole > most { // the copy of the text, the answer
		t.Errorf("%v allocations, of which the core's %v", whole, alone)
	}
}
