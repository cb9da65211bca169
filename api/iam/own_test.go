package iam

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"

	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/credential"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func TestAdmin_ServesEveryMethodOfItsProto(t *testing.T) {
	mounted := (&door{}).adminService()
	got, want := methods(*mounted.Desc), methods(pb.AdminService_ServiceDesc)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || !mounted.SelfAuthenticating {
		t.Error(diff)
	}
}

func TestAdmin_AnswersNobodyWithoutAToken(t *testing.T) {
	s := openOwn(t)
	for _, name := range methods(pb.AdminService_ServiceDesc) {
		err := s.conn.Invoke(deadline(t), name, &emptypb.Empty{}, &emptypb.Empty{})
		if code := status.Code(err); code != codes.Unauthenticated && code != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.admin.ListKinds(s.service, &pb.ListKindsRequest{}) // a server's key is no IAM token
	refused(t, err, "Unauthenticated INVALID_TOKEN")
}

func TestAdmin_UserComesAndGoes(t *testing.T) {
	s := openOwn(t)
	added := must(s.admin.AddUser(s.ctx, &pb.AddUserRequest{OrganizationId: s.OrganizationID, Login: "ann", Email: "ann@example.com"}))(t)
	u := added.GetUser()
	want := &pb.User{Id: u.GetId(), Type: "userAccount", Login: "ann", Email: "ann@example.com", OrganizationIds: []string{s.OrganizationID}, CreatedAt: u.GetCreatedAt()}
	if diff := cmp.Diff(want, u, protocmp.Transform()); diff != "" || u.GetId() == "" || added.GetOperationId() == "" {
		t.Error(diff)
	}
	got := must(s.admin.GetUser(s.ctx, &pb.GetUserRequest{UserId: u.GetId()}))(t)
	if diff := cmp.Diff(u, got.GetUser(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	listed := must(s.admin.ListUsers(s.ctx, &pb.ListUsersRequest{OrganizationId: s.OrganizationID}))(t)
	if len(listed.GetUsers()) != 1 {
		t.Error(listed)
	}
	must(s.admin.RemoveUser(s.ctx, &pb.RemoveUserRequest{OrganizationId: s.OrganizationID, UserId: u.GetId()}))(t)
	listed = must(s.admin.ListUsers(s.ctx, &pb.ListUsersRequest{OrganizationId: s.OrganizationID}))(t)
	if len(listed.GetUsers()) != 0 {
		t.Error(listed)
	}
}

func TestAdmin_CustomRoleLives(t *testing.T) {
	s := openOwn(t)
	made := must(s.admin.CreateRole(s.ctx, &pb.CreateRoleRequest{OrganizationId: s.OrganizationID, Name: "reader", Permissions: []string{"compute.instances.get"}}))(t).GetRole()
	must(s.admin.UpdateRole(s.ctx, &pb.UpdateRoleRequest{RoleId: made.GetId(), Fields: []string{"permissions"}, Permissions: []string{"compute.instances.list"}}))(t)
	got := must(s.admin.GetRole(s.ctx, &pb.GetRoleRequest{RoleId: made.GetId()}))(t).GetRole()
	if got.GetName() != "reader" || !slices.Equal(got.GetPermissions(), []string{"compute.instances.list"}) {
		t.Error(got)
	}
	_, err := s.admin.UpdateRole(s.ctx, &pb.UpdateRoleRequest{RoleId: made.GetId(), Fields: []string{"owner"}})
	refused(t, err, "InvalidArgument INVALID_FIELD")
	listed := must(s.admin.ListRoles(s.ctx, &pb.ListRolesRequest{OrganizationId: s.OrganizationID}))(t).GetRoles()
	if len(listed) != 1 || listed[0].GetId() != made.GetId() || listed[0].GetPermissions() != nil {
		t.Error(listed)
	}
	shipped := must(s.admin.ListRoles(s.ctx, &pb.ListRolesRequest{Shipped: true, PageSize: 1000}))(t).GetRoles()
	if len(shipped) < 600 {
		t.Errorf("%d roles", len(shipped))
	}
	must(s.admin.DeleteRole(s.ctx, &pb.DeleteRoleRequest{RoleId: made.GetId()}))(t)
	_, err = s.admin.GetRole(s.ctx, &pb.GetRoleRequest{RoleId: made.GetId()})
	if status.Code(err) != codes.NotFound {
		t.Error(err)
	}
}

func TestAdmin_ResourceIsRegisteredAndForgotten(t *testing.T) {
	s := openOwn(t)
	id, _ := s.account(t, "runner")
	group := &pb.Resource{Kind: "compute.instanceGroup", Id: "web"}
	must(s.admin.RegisterResource(s.ctx, &pb.RegisterResourceRequest{Resource: group, Parent: s.folder(), ServiceAccountId: id}))(t)
	want := &pb.PlacedResource{Resource: group, Parent: s.folder(), ServiceAccountId: id}
	got := must(s.admin.GetResource(s.ctx, &pb.GetResourceRequest{Resource: group}))(t).GetResource()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	listed := must(s.admin.ListResources(s.ctx, &pb.ListResourcesRequest{Parent: s.folder(), Kind: group.GetKind()}))(t).GetResources()
	if diff := cmp.Diff([]*pb.PlacedResource{want}, listed, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	must(s.admin.UnregisterResource(s.ctx, &pb.UnregisterResourceRequest{Resource: group}))(t)
	_, err := s.admin.GetResource(s.ctx, &pb.GetResourceRequest{Resource: group})
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
	_, err = s.admin.RegisterResource(s.ctx, &pb.RegisterResourceRequest{Resource: group})
	refused(t, err, "InvalidArgument INVALID_FIELD")
}

func TestAdmin_BindingsOfAnyKind(t *testing.T) {
	s := openOwn(t)
	id, _ := s.account(t, "reader")
	key := &pb.Resource{Kind: "kms.symmetricKey", Id: "k1"}
	must(s.admin.RegisterResource(s.ctx, &pb.RegisterResourceRequest{Resource: key, Parent: s.folder()}))(t)
	b := &pb.AccessBinding{RoleId: "viewer", Subject: &pb.Subject{Type: "serviceAccount", Id: id}}
	add := &pb.AccessBindingDelta{Action: pb.AccessBindingDelta_ACTION_ADD, AccessBinding: b}
	remove := &pb.AccessBindingDelta{Action: pb.AccessBindingDelta_ACTION_REMOVE, AccessBinding: b}

	changed := must(s.admin.UpdateAccessBindings(s.ctx, &pb.UpdateAccessBindingsRequest{Resource: key, AccessBindingDeltas: []*pb.AccessBindingDelta{add}}))(t)
	if diff := cmp.Diff([]*pb.AccessBindingDelta{add}, changed.GetEffectiveDeltas(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	listed := must(s.admin.ListAccessBindings(s.ctx, &pb.ListAccessBindingsRequest{Resource: key}))(t)
	if diff := cmp.Diff([]*pb.AccessBinding{b}, listed.GetAccessBindings(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	set := must(s.admin.SetAccessBindings(s.ctx, &pb.SetAccessBindingsRequest{Resource: key}))(t)
	if diff := cmp.Diff([]*pb.AccessBindingDelta{remove}, set.GetEffectiveDeltas(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	_, err := s.admin.UpdateAccessBindings(s.ctx, &pb.UpdateAccessBindingsRequest{Resource: key, AccessBindingDeltas: []*pb.AccessBindingDelta{{AccessBinding: b}}})
	refused(t, err, "InvalidArgument INVALID_FIELD")
}

func TestAdmin_KeyMadeByTheClientGetsTokens(t *testing.T) {
	s := openOwn(t)
	id, _ := s.account(t, "ci")
	private, public, err := credential.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	k := must(s.admin.AddKey(s.ctx, &pb.AddKeyRequest{ServiceAccountId: id, PublicKey: public}))(t)
	if k.GetKeyAlgorithm() != "RSA_2048" || k.GetServiceAccountId() != id {
		t.Error(k)
	}
	s.token(t, keyFile(k.GetKeyId(), id, private))
}

func TestAdmin_TokensOutliveARotation(t *testing.T) {
	s := openOwn(t)
	must(s.admin.RotateSigningKey(s.ctx, &pb.RotateSigningKeyRequest{}))(t)
	must(s.admin.ListKinds(s.ctx, &pb.ListKindsRequest{}))(t)
	must(s.admin.ListKinds(s.as(t, s.token(t, s.key)), &pb.ListKindsRequest{}))(t)
}

func TestAdmin_CatalogueComesBackAsItWas(t *testing.T) {
	s := openOwn(t)
	was := must(s.admin.GetCatalogue(s.ctx, &pb.GetCatalogueRequest{}))(t).GetSource()
	must(s.admin.SetCatalogue(s.ctx, &pb.SetCatalogueRequest{Source: was}))(t)
	is := must(s.admin.GetCatalogue(s.ctx, &pb.GetCatalogueRequest{}))(t).GetSource()
	if len(was) == 0 || string(was) != string(is) {
		t.Errorf("%d bytes, then %d", len(was), len(is))
	}
	_, err := s.admin.SetCatalogue(s.ctx, &pb.SetCatalogueRequest{Source: []byte("nonsense")})
	if status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	kinds := must(s.admin.ListKinds(s.ctx, &pb.ListKindsRequest{}))(t).GetKinds()
	i := slices.IndexFunc(kinds, func(k *pb.Kind) bool { return k.GetId() == "compute.instance" })
	if i < 0 || kinds[i].GetPermissionPrefix() != "compute.instances" {
		t.Error(kinds)
	}
}

func TestAdmin_TellsWhyWhoAndWhat(t *testing.T) {
	s := openOwn(t)
	id, as := s.account(t, "reader")
	s.grant(t, "viewer", "serviceAccount", id)
	who := &pb.Subject{Type: "serviceAccount", Id: id}
	grant := &pb.Grant{Resource: s.folder(), AccessBinding: &pb.AccessBinding{RoleId: "viewer", Subject: who}}

	why := must(s.admin.Why(s.ctx, &pb.WhyRequest{Subject: who, Permission: "compute.instances.get", Resource: s.folder()}))(t)
	if diff := cmp.Diff([]*pb.Grant{grant}, why.GetGrants(), protocmp.Transform()); diff != "" || !why.GetAllowed() {
		t.Error(diff)
	}
	if path := why.GetResourcePath(); len(path) != 3 || path[2].GetKind() != core.OrganizationKind {
		t.Error(path)
	}
	why = must(s.admin.Why(as, &pb.WhyRequest{Permission: "compute.instances.delete", Resource: s.folder()}))(t) // the caller
	if why.GetAllowed() || len(why.GetGrants()) > 0 {
		t.Error(why)
	}
	subjects := must(s.admin.Who(s.ctx, &pb.WhoRequest{Permission: "compute.instances.get", Resource: s.folder()}))(t).GetSubjects()
	if !slices.ContainsFunc(subjects, func(m *pb.Subject) bool { return m.GetId() == id }) {
		t.Error(subjects)
	}
	what := must(s.admin.What(as, &pb.WhatRequest{Resource: s.folder()}))(t).GetGrants()
	if diff := cmp.Diff([]*pb.Grant{grant}, what, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	_, err := s.admin.Why(deadline(t), &pb.WhyRequest{Permission: "viewer", Resource: s.folder()})
	refused(t, err, "Unauthenticated NO_TOKEN")
}

// Who calls is known only after a request has been read.
func TestAdmin_RequestsAreOfABoundedSize(t *testing.T) {
	s := openOwn(t)
	_, err := s.admin.SetCatalogue(deadline(t), &pb.SetCatalogueRequest{Source: make([]byte, maxAdminRequest)})
	if code := status.Code(err); code != codes.InvalidArgument {
		t.Error(err)
	}
	_, err = s.admin.SetCatalogue(deadline(t), &pb.SetCatalogueRequest{Source: make([]byte, maxAdminRequest-100)})
	refused(t, err, "Unauthenticated NO_TOKEN")
}
