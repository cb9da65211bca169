package iam

import (
	"strings"
	"testing"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// Nothing of another organization can be given anything here, nor does an owner
// here own anything there.
func TestEscalation_AcrossOrganizations(t *testing.T) {
	w := openStage(t, false)
	there := w.neighbour(t)
	user := w.user(t, "ann")
	group := w.group(t, "crew")
	for _, b := range [][3]string{
		{"viewer", "serviceAccount", w.robot}, {"viewer", "userAccount", user}, {"viewer", "group", group},
		{"viewer", "system", "group:organization:" + w.OrganizationID + ":users"},
		{"viewer", "system", "allUsers"}, {"viewer", "system", "allAuthenticatedUsers"},
	} {
		if err := only(w.bind(w.ctx, w.folder(), plusBinding(b[0], b[1], b[2]))); err != nil {
			t.Fatal(b, err)
		}
	}
	for _, b := range [][4]string{
		{"viewer", "serviceAccount", there.account, "SUBJECT_NOT_FOUND"},
		{"viewer", "userAccount", there.user, "SUBJECT_NOT_FOUND"},
		{"viewer", "group", there.group, "SUBJECT_NOT_FOUND"},
		{"viewer", "system", "group:organization:" + there.organization + ":users", "SUBJECT_NOT_FOUND"},
		{"viewer", "system", "group:federation:fed2:users", "SUBJECT_NOT_FOUND"},
		{there.role, "serviceAccount", w.robot, "ROLE_NOT_FOUND"},
	} {
		for _, on := range []*pb.Resource{w.folder(), w.cloud(), w.organization(), accountResource(w.robot)} {
			refused(t, only(w.bind(w.ctx, on, plusBinding(b[0], b[1], b[2]))), "InvalidArgument "+b[3])
		}
		_, err := w.admin.SetAccessBindings(w.ctx, &pb.SetAccessBindingsRequest{Resource: accountResource(w.robot),
			AccessBindings: []*pb.AccessBinding{{RoleId: b[0], Subject: &pb.Subject{Type: b[1], Id: b[2]}}}})
		refused(t, err, "InvalidArgument "+b[3])
	}
	for _, member := range []string{there.account, there.user} {
		refused(t, w.join(w.ctx, group, member), "InvalidArgument SUBJECT_NOT_FOUND")
	}
	folder2, account2 := resource(core.FolderKind, there.folder), accountResource(there.account)
	lacks(t, only(w.bind(w.ctx, folder2, plusBinding("admin", "serviceAccount", w.AccountID))), folders+updateOfBindings, folder2)
	lacks(t, only(w.tokens.CreateForServiceAccount(w.ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: there.account})), accounts+"createToken", account2)
	lacks(t, only(w.accounts.Create(w.ctx, &iamv1.CreateServiceAccountRequest{FolderId: there.folder, Name: "x"})), accounts+"create", folder2)
	lacks(t, only(w.folders.Get(w.ctx, &resv1.GetFolderRequest{FolderId: there.folder})), folders+"get", folder2)
	lacks(t, w.join(w.ctx, there.group, w.robot), "organization-manager.groups.updateMembers", resource(core.GroupKind, there.group))
	lacks(t, only(w.clouds.Create(w.ctx, &resv1.CreateCloudRequest{OrganizationId: there.organization, Name: "x"})),
		clouds+"create", resource(core.OrganizationKind, there.organization))
	vm := resource("compute.instance", "vm")
	lacks(t, only(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: vm, Parent: folder2})), "compute.instances.create", folder2)
	refused(t, only(w.admin.GetRole(w.ctx, &pb.GetRoleRequest{RoleId: there.role})), "NotFound RESOURCE_NOT_FOUND")
	if got := must(w.orgs.List(w.ctx, &orgv1.ListOrganizationsRequest{}))(t).GetOrganizations(); len(got) != 1 {
		t.Errorf("listed %v", got)
	}
	if got := must(w.clouds.List(w.ctx, &resv1.ListCloudsRequest{}))(t).GetClouds(); len(got) != 1 {
		t.Errorf("listed %v", got)
	}
}

// What services register is not put over, or into, what is others'.
func TestEscalation_ByRegisteringResources(t *testing.T) {
	w := openStage(t, false)
	second := response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: "second"}))(t)).GetId()
	in := resource(core.FolderKind, second)
	vm := resource("compute.instance", "vm")
	_, ctx := w.someone(t, "computer", given{"compute.admin", in})
	must(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: vm, Parent: w.folder()}))(t)
	refused(t, only(w.admin.RegisterResource(ctx, &pb.RegisterResourceRequest{Resource: vm, Parent: in})), "AlreadyExists RESOURCE_EXISTS")
	must(w.admin.RegisterResource(ctx, &pb.RegisterResourceRequest{Resource: resource("compute.instance", "vm2"), Parent: in}))(t)
	lacks(t, only(w.admin.UnregisterResource(ctx, &pb.UnregisterResourceRequest{Resource: vm})), "compute.instances.delete", vm)
	for _, r := range []*pb.Resource{
		resource(core.FolderKind, "f"), resource(core.CloudKind, "c"), resource(core.OrganizationKind, "o"), resource(core.ServiceAccountKind, "a"),
		resource(core.KeyKind, "k"), resource(core.GroupKind, "g"), resource(core.RoleKind, "r"), resource("iam.resource", "x"), resource("compute.spaceship", "x"),
		resource("compute.instance", "a/b"), resource("compute.instance", "a#b"), resource("compute.instance", ""), resource("compute.instance", "*"),
		resource("compute.instance", strings.Repeat("i", 1000)), resource("", "x"), resource("compute.instance/x", "y"),
	} {
		if code := reasonless(only(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: r, Parent: w.folder()}))); code != "InvalidArgument" {
			t.Errorf("%v: %s", r, code)
		}
	}
	vm3 := resource("compute.instance", "vm3")
	for _, parent := range []*pb.Resource{w.cloud(), w.organization(), vm, accountResource(w.robot)} {
		refused(t, only(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: vm3, Parent: parent})), "InvalidArgument INVALID_FIELD")
	}
	refused(t, only(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: vm3, Parent: resource(core.FolderKind, "none")})), "NotFound RESOURCE_NOT_FOUND")
	refused(t, only(w.admin.RegisterResource(ctx, &pb.RegisterResourceRequest{Resource: resource("compute.instanceGroup", "g"), Parent: in, ServiceAccountId: w.robot})), "PermissionDenied PERMISSION_DENIED")
	must(w.bind(w.ctx, accountResource(w.robot), plusBinding("iam.serviceAccounts.user", "system", "allAuthenticatedUsers")))(t)
	refused(t, only(w.admin.RegisterResource(ctx, &pb.RegisterResourceRequest{Resource: resource("compute.instanceGroup", "g"), Parent: in, ServiceAccountId: w.robot})), "FailedPrecondition OTHER_FOLDER")
	// An asking service that puts it elsewhere gets no answer.
	who := &pb.Subject{Type: "serviceAccount", Id: w.robot}
	for path, want := range map[*pb.Resource]string{w.folder(): "", in: "InvalidArgument PATH_CONTRADICTS", w.cloud(): "InvalidArgument PATH_CONTRADICTS"} {
		_, err := w.access.Authorize(w.service, &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_Subject{Subject: who}, Permission: "viewer", ResourcePath: []*pb.Resource{vm, path}, Consistency: latestView()})
		if want == "" && err == nil {
			continue
		}
		failed(t, err, want)
	}
}

// Ids are data: none of them reads as something else of the engine.
func TestEscalation_ByIDs(t *testing.T) {
	w := openStage(t, false)
	must(w.bind(w.ctx, w.folder(), plusBinding("viewer", "serviceAccount", w.robot)))(t)
	long := strings.Repeat("i", 1000)
	for _, s := range [][2]string{
		{"serviceAccount", "*"}, {"serviceAccount", w.robot + "#member"}, {"serviceAccount", "a b"}, {"serviceAccount", "a\nb"}, {"serviceAccount", "\x00"},
		{"serviceAccount", long}, {"serviceAccount", ""}, {"serviceAccount", "../" + w.robot}, {"serviceAccount", w.robot + " "}, {"serviceAccount", strings.ToUpper(w.robot)},
		{"userAccount", w.robot}, {"federatedUser", w.robot}, {"group", w.robot}, {"group", "organization:" + w.OrganizationID + ":users"},
		{"group", "x:users"}, {"group", w.robot + "#member"}, {"iam.serviceAccount", w.robot}, {"iam.group", w.robot}, {"", w.robot}, {"resource", w.FolderID},
		{"system", "group:federation:others:users"}, {"system", "group:organization::users"}, {"system", "group:organization:*:users"}, {"system", "everybody"},
		{"system", "group:organization:" + w.OrganizationID}, {"system", "allUsers "}, {"system", "allusers"},
		{"system", "group:organization:" + w.OrganizationID + ":users:users"}, {"system", w.robot},
	} {
		if code := reasonless(only(w.bind(w.ctx, w.folder(), plusBinding("viewer", s[0], s[1])))); code != "InvalidArgument" {
			t.Errorf("subject %q: %s", s, code)
		}
	}
	for _, role := range []string{"", "parent", "user", "account", "r.viewer", "c.x0", "viewer ", "Viewer", "viewer#member", "*", "compute.instances.get", "member", long,
		"organization_manager.organizations.owner", "resource_manager.clouds.owner"} {
		if code := reasonless(only(w.bind(w.ctx, w.folder(), plusBinding(role, "serviceAccount", w.robot)))); code != "InvalidArgument" {
			t.Errorf("role %q: %s", role, code)
		}
	}
	for _, on := range []*pb.Resource{
		resource(core.FolderKind, w.FolderID+"#r.viewer"), resource("", w.FolderID), resource("resource-manager", "folder/"+w.FolderID),
		resource(core.FolderKind, "/"+w.FolderID), resource("iam.resource", core.FolderKind+"/"+w.FolderID), resource(core.FolderKind, long), resource("iam.expiry", "deletions"),
	} {
		if code := reasonless(only(w.bind(w.ctx, on, plusBinding("viewer", "serviceAccount", w.robot)))); code != "InvalidArgument" && code != "NotFound" {
			t.Errorf("resource %v: %s", on, code)
		}
	}
	ask := func(who *pb.Subject, permission string, path ...*pb.Resource) (*pb.AuthorizeResponse, error) {
		return w.access.Authorize(w.service, &pb.AuthorizeRequest{Identity: &pb.AuthorizeRequest_Subject{Subject: who}, Permission: permission, ResourcePath: path, Consistency: latestView()})
	}
	robot := &pb.Subject{Type: "serviceAccount", Id: w.robot}
	if got := must(ask(robot, "viewer", w.folder()))(t); got.GetDecision() != allowed {
		t.Fatal(got)
	}
	for _, permission := range []string{"parent", "user", "r.viewer", "r.admin", "c.x0", "", "account", "compute_instances.get", long} {
		if got, err := ask(robot, permission, w.folder()); err == nil {
			t.Errorf("permission %q: %v", permission, got)
		}
	}
	for _, who := range []*pb.Subject{{Type: "system", Id: "allAuthenticatedUsers"}, {Type: "group", Id: "g"}, {Type: "serviceAccount", Id: "*"},
		{Type: "serviceAccount", Id: w.robot + "#x"}, {Type: "userAccount", Id: w.robot}, {Type: "iam.serviceAccount", Id: w.robot}, {Type: "serviceAccount", Id: long}} {
		if got, err := ask(who, "viewer", w.folder()); err == nil {
			t.Errorf("subject %v: %v", who, got)
		}
	}
	for _, r := range []*pb.Resource{resource(core.FolderKind, w.FolderID+"#parent"), resource(core.FolderKind, w.FolderID+" "), resource("a/b", "c"), resource(core.FolderKind, "*")} {
		if got, err := ask(robot, "viewer", r); err == nil && got.GetDecision() != denied {
			t.Errorf("resource %v: %v", r, got)
		}
	}
}

// A role is for some kinds of resources, and its neighbour in the hierarchy is none.
func TestEscalation_ByRolesWhereTheyAreNotFor(t *testing.T) {
	w := openStage(t, false)
	for _, c := range []struct {
		role       string
		for_, not_ *pb.Resource
	}{
		{core.CloudOwner, w.cloud(), w.organization()}, {core.CloudOwner, w.cloud(), w.folder()}, {"resource-manager.clouds.member", w.cloud(), w.folder()},
		{core.OrganizationOwner, w.organization(), w.cloud()}, {core.OrganizationOwner, w.organization(), accountResource(w.robot)},
		{"iam.userAccounts.refreshTokenViewer", w.organization(), w.cloud()}, {"iam.userAccounts.refreshTokenRevoker", w.organization(), w.folder()},
		{"vpc.publicAdmin", w.folder(), accountResource(w.robot)},
	} {
		refused(t, only(w.bind(w.ctx, c.not_, plusBinding(c.role, "serviceAccount", w.robot))), "InvalidArgument ROLE_NOT_FOR_KIND")
		if err := only(w.bind(w.ctx, c.for_, plusBinding(c.role, "serviceAccount", w.robot))); err != nil {
			t.Errorf("%s: %v", c.role, err)
		}
	}
}

func TestEscalation_ByPageTokens(t *testing.T) {
	w := openStage(t, false)
	reader, ctx := w.someone(t, "reader", given{"viewer", w.folder()})
	r := &iamv1.ListServiceAccountsRequest{FolderId: w.FolderID, PageSize: 1}
	token := must(w.accounts.List(ctx, r))(t).GetNextPageToken()
	next := func(token string) error {
		return only(w.accounts.List(ctx, &iamv1.ListServiceAccountsRequest{FolderId: w.FolderID, PageSize: 1, PageToken: token}))
	}
	if err := next(token); err != nil || token == "" {
		t.Fatal(token, err)
	}
	for i := range token {
		forged := []byte(token)
		forged[i] = "AB"[map[bool]int{true: 1}[forged[i] == 'A']]
		if string(forged) != token && reasonless(next(string(forged))) != "InvalidArgument" {
			t.Errorf("letter %d may be another: %v", i, next(string(forged)))
		}
	}
	other := response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: "other"}))(t)).GetId()
	refused(t, only(w.accounts.List(w.ctx, &iamv1.ListServiceAccountsRequest{FolderId: other, PageToken: token})), "InvalidArgument INVALID_FIELD")
	refused(t, only(w.folders.List(w.ctx, &resv1.ListFoldersRequest{CloudId: w.CloudID, PageToken: token})), "InvalidArgument INVALID_FIELD")
	refused(t, only(w.accounts.List(ctx, &iamv1.ListServiceAccountsRequest{FolderId: w.FolderID, Filter: `name="robot"`, PageToken: token})), "InvalidArgument INVALID_FIELD")
	must(w.bind(w.ctx, w.folder(), minusBinding("viewer", "serviceAccount", reader)))(t)
	lacks(t, next(token), accounts+"list", w.folder())
}
