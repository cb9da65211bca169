package iam

import (
	"slices"
	"strings"
	"testing"
	"time"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// The restrictions of 1.5 from outside. Others are elsewhere: 2 and 3 in
// escalationowner_test.go, 8 in escalationabroad_test.go (roles where they are not for).

// decides asks AccessService whether an account has a permission on a resource.
func (w *stage) decides(t *testing.T, account, permission string, on ...*pb.Resource) bool {
	t.Helper()
	got := must(w.access.Authorize(w.service, &pb.AuthorizeRequest{
		Identity:   &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{Type: "serviceAccount", Id: account}},
		Permission: permission, ResourcePath: on, Consistency: latestView(),
	}))(t)
	return got.GetDecision() == allowed
}

// 1.5.1: who may assign roles, there and below, not above nor beside.
func TestRestriction1_WhoMayAssignRoles(t *testing.T) {
	w := openStage(t, false)
	ann := w.user(t, "ann")
	robot, group, vm := accountResource(w.robot), resource(core.GroupKind, w.group(t, "crew")), resource("compute.instance", "vm")
	beside := resource(core.FolderKind, response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: "beside"}))(t)).GetId())
	must(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: vm, Parent: w.folder()}))(t)
	everything := []*pb.Resource{w.organization(), group, w.cloud(), beside, w.folder(), robot, vm}
	inCloud, inFolder := everything[2:], everything[4:]
	for _, c := range []struct {
		given
		may []*pb.Resource
	}{
		{given{"admin", w.folder()}, inFolder}, {given{"iam.admin", w.folder()}, inFolder}, {given{"resource-manager.admin", w.folder()}, inFolder},
		{given{"admin", w.cloud()}, inCloud}, {given{core.CloudOwner, w.cloud()}, inCloud}, {given{"resource-manager.admin", w.cloud()}, inCloud},
		{given{"organization-manager.admin", w.organization()}, everything}, {given{core.OrganizationOwner, w.organization()}, everything}, {given{"admin", w.organization()}, everything},
		{given{"compute.admin", w.folder()}, []*pb.Resource{vm}}, {given{"iam.serviceAccounts.admin", w.folder()}, []*pb.Resource{robot}},
		{given{"organization-manager.groups.admin", w.organization()}, []*pb.Resource{group}},
		{given{"editor", w.organization()}, nil}, {given{"viewer", w.organization()}, nil}, {given{"iam.serviceAccounts.tokenCreator", w.organization()}, nil},
	} {
		_, ctx := w.someone(t, strings.ReplaceAll(strings.ToLower(c.role), ".", "-")+"-"+c.on.GetKind()[strings.LastIndex(c.on.GetKind(), ".")+1:], c.given)
		for _, on := range everything {
			err := only(w.bind(ctx, on, plusBinding("viewer", "userAccount", ann)))
			if may := slices.Contains(c.may, on); may != (err == nil) || err != nil && reasonless(err) != "PermissionDenied" {
				t.Errorf("%s of a %s on %s: %v", c.role, c.on.GetKind(), on.GetKind(), err)
			}
		}
	}
}

// 1.5.4 and 1.3: what editor and admin have not.
func TestRestriction4_ExclusionsAreAbsentPermissions(t *testing.T) {
	w := openStage(t, false)
	for role, c := range map[string]struct{ has, lacks string }{
		"editor": {"compute.instances.delete resource-manager.folders.delete kms.symmetricKeys.create kms.symmetricKeys.update",
			"kms.symmetricKeys.delete organization-manager.organizations.delete organization-manager.organizations.transfer resource-manager.clouds.delete compute.instances.updateAccessBindings resource-manager.folders.updateAccessBindings iam.serviceAccounts.createToken"},
		"admin": {"kms.symmetricKeys.delete compute.instances.updateAccessBindings resource-manager.folders.updateAccessBindings iam.serviceAccounts.createToken",
			"organization-manager.organizations.delete organization-manager.organizations.transfer resource-manager.clouds.delete " + core.CloudOwner + " " + core.OrganizationOwner},
		core.OrganizationOwner: {"organization-manager.organizations.delete organization-manager.organizations.transfer resource-manager.clouds.delete", ""},
	} {
		id, _ := w.someone(t, "with."+strings.ReplaceAll(strings.ToLower(role), ".", "-"), given{role, w.organization()})
		for permission := range strings.FieldsSeq(c.has) {
			if !w.decides(t, id, permission, w.organization()) {
				t.Errorf("%s lacks %s", role, permission)
			}
		}
		for permission := range strings.FieldsSeq(c.lacks) {
			if w.decides(t, id, permission, w.organization()) {
				t.Errorf("%s has %s", role, permission)
			}
		}
	}
}

// 1.5.5: instance groups work under an account of their folder, which whoever
// names it may use, which has rights of its own, and which cannot go before them.
func TestRestriction5_InstanceGroupsAndTheirAccount(t *testing.T) {
	w := openStage(t, false)
	group := resource("compute.instanceGroup", "web")
	_, maker := w.someone(t, "maker", given{"compute.editor", w.folder()})
	r := &pb.RegisterResourceRequest{Resource: group, Parent: w.folder(), ServiceAccountId: w.robot}
	lacks(t, only(w.admin.RegisterResource(maker, r)), accounts+"use", accountResource(w.robot)) // compute.editor does not contain it
	_, both := w.someone(t, "both", given{"compute.editor", w.folder()}, given{"iam.serviceAccounts.user", accountResource(w.robot)})
	must(w.admin.RegisterResource(both, r))(t)
	if w.decides(t, w.robot, "compute.instances.create", w.folder()) {
		t.Error("the account has the rights of who named it")
	}
	must(w.bind(w.ctx, w.folder(), plusBinding("compute.editor", "serviceAccount", w.robot), plusBinding("load-balancer.editor", "serviceAccount", w.robot)))(t)
	for _, permission := range []string{"compute.instances.create", "compute.instances.delete", "load-balancer.networkLoadBalancers.update"} {
		if !w.decides(t, w.robot, permission, w.folder()) {
			t.Error(permission)
		}
	}
	_, err := w.accounts.Delete(w.ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: w.robot})
	refused(t, err, "FailedPrecondition ACCOUNT_IN_USE")
	other := response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: "other"}))(t)).GetId()
	_, err = w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: resource("compute.instanceGroup", "far"), Parent: resource(core.FolderKind, other), ServiceAccountId: w.robot})
	refused(t, err, "FailedPrecondition OTHER_FOLDER")
	must(w.admin.UnregisterResource(both, &pb.UnregisterResourceRequest{Resource: group}))(t)
	must(w.accounts.Delete(w.ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: w.robot}))(t)

}

// 1.5.6: a token of another account says who asked for it.
func TestRestriction6_ImpersonatorsAreNamed(t *testing.T) {
	w := openStage(t, false)
	id, ctx := w.someone(t, "creator", given{"iam.serviceAccounts.tokenCreator", accountResource(w.robot)})
	token := must(w.tokens.CreateForServiceAccount(ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: w.robot}))(t).GetIamToken()
	caller := must(w.access.Authenticate(w.service, &pb.AuthenticateRequest{IamToken: token}))(t).GetCaller()
	if caller.GetSubject().GetId() != w.robot || caller.GetImpersonator().GetId() != id {
		t.Error(caller)
	}
	must(w.bind(w.ctx, w.folder(), plusBinding("iam.serviceAccounts.admin", "serviceAccount", w.robot)))(t)
	op := must(w.accounts.Create(w.as(t, token), &iamv1.CreateServiceAccountRequest{FolderId: w.FolderID, Name: "made"}))(t)
	if op.GetCreatedBy() != w.robot {
		t.Error(op)
	}
}

// 1.5.7: rights on keys are the account's, and so is their life.
func TestRestriction7_KeysAreTheirAccounts(t *testing.T) {
	w := openStage(t, false)
	key := w.newKey(t, w.robot)
	_, keeper := w.someone(t, "keeper", given{"iam.serviceAccounts.authorizedKeyAdmin", accountResource(w.robot)})
	_, beside := w.someone(t, "beside", given{"iam.serviceAccounts.authorizedKeyAdmin", accountResource(w.AccountID)})
	r := &iamv1.GetKeyRequest{KeyId: key.ID}
	must(w.keys.Get(keeper, r))(t)
	lacks(t, only(w.keys.Get(beside, r)), "iam.keys.get", resource(core.KeyKind, key.ID))
	must(w.keys.Get(w.robotContext, r))(t) // its own
	must(w.accounts.Delete(w.ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: w.robot}))(t)
	refused(t, only(w.keys.Get(keeper, r)), "NotFound RESOURCE_NOT_FOUND")
	if err := w.exchange(t, must(key.Assertion(time.Now(), audience))(t)); reasonless(err) != "Unauthenticated" {
		t.Error(err)
	}
}

// 1.5.9: a change counts at once, with the token of its answer as with latest.
func TestRestriction9_ChangesTakeEffectAtOnce(t *testing.T) {
	w := openStage(t, false)
	ask := &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{Type: "serviceAccount", Id: w.robot}}, Permission: "viewer", ResourcePath: []*pb.Resource{w.folder()}}
	for i := range 20 {
		d, want := plusBinding("viewer", "serviceAccount", w.robot), allowed
		if i%2 == 1 {
			d, want = minusBinding("viewer", "serviceAccount", w.robot), denied
		}
		seen := w.bindSeen(t, d)
		for _, at := range []*pembav1.Consistency{latestView(), {Level: &pembav1.Consistency_AtLeast{AtLeast: seen}}, {Level: &pembav1.Consistency_Exactly{Exactly: seen}}} {
			ask.Consistency = at
			if got := must(w.access.Authorize(w.service, ask))(t); got.GetDecision() != want {
				t.Fatalf("round %d at %v: %v", i, at, got)
			}
		}
	}
}

// bindSeen changes a binding on the first folder, and returns the consistency token.
func (w *stage) bindSeen(t *testing.T, d *pb.AccessBindingDelta) string {
	t.Helper()
	var header metadata.MD
	_, err := w.admin.UpdateAccessBindings(w.ctx, &pb.UpdateAccessBindingsRequest{Resource: w.folder(), AccessBindingDeltas: []*pb.AccessBindingDelta{d}}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	return first(header, tokenHeader)
}

// 1.5.11: who is suspended keeps what he has and cannot use it; who expires neither.
func TestRestriction11_SuspendedAccountsKeepTheirRoles(t *testing.T) {
	w := openStage(t, false)
	id, ctx := w.someone(t, "sleeper", given{"viewer", w.folder()})
	read := func() error { return only(w.folders.Get(ctx, &resv1.GetFolderRequest{FolderId: w.FolderID})) }
	if err := read(); err != nil {
		t.Fatal(err)
	}
	must(w.accounts.Suspend(w.ctx, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: id}))(t)
	refused(t, read(), "Unauthenticated ACCOUNT_SUSPENDED")
	_, err := w.access.Authorize(w.service, &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{Type: "serviceAccount", Id: id}}, Permission: "viewer", ResourcePath: []*pb.Resource{w.folder()}, Consistency: latestView()})
	failed(t, err, "Unauthenticated ACCOUNT_SUSPENDED")
	got := must(w.accounts.Get(w.ctx, &iamv1.GetServiceAccountRequest{ServiceAccountId: id}))(t)
	if got.GetStatus() != iamv1.ServiceAccount_SUSPENDED {
		t.Error(got)
	}
	must(w.accounts.Reactivate(w.ctx, &iamv1.ReactivateServiceAccountRequest{ServiceAccountId: id}))(t)
	if err := read(); err != nil {
		t.Error(err)
	}
}

// 1.5.13: folders and clouds wait to be deleted, unless told otherwise.
func TestRestriction13_DeletionWaits(t *testing.T) {
	w := openStage(t, false)
	folder := func(name string) string {
		return response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: name}))(t)).GetId()
	}
	status := func(id string) resv1.Folder_Status {
		return must(w.folders.Get(w.ctx, &resv1.GetFolderRequest{FolderId: id}))(t).GetStatus()
	}
	id := folder("later")
	op := must(w.folders.Delete(w.ctx, &resv1.DeleteFolderRequest{FolderId: id}))(t)
	if got := status(id); got != resv1.Folder_PENDING_DELETION || op.GetDone() {
		t.Errorf("%v, %v", got, op)
	}
	refused(t, only(w.accounts.Create(w.ctx, &iamv1.CreateServiceAccountRequest{FolderId: id, Name: "in-it"})), "FailedPrecondition BEING_DELETED")
	refused(t, only(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: resource("compute.instance", "vm"), Parent: resource(core.FolderKind, id)})), "FailedPrecondition BEING_DELETED")
	must(w.ops.Cancel(w.ctx, &operation.CancelOperationRequest{OperationId: op.GetId()}))(t)
	if got := status(id); got != resv1.Folder_ACTIVE {
		t.Error(got)
	}
	now := folder("now")
	op = must(w.folders.Delete(w.ctx, &resv1.DeleteFolderRequest{FolderId: now, DeleteAfter: timestamppb.Now()}))(t)
	if !op.GetDone() {
		t.Error(op)
	}
	refused(t, only(w.folders.Get(w.ctx, &resv1.GetFolderRequest{FolderId: now})), "NotFound RESOURCE_NOT_FOUND")
}
