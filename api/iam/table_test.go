package iam

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/catalogue"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// The table "what roles do I need" (1.4), row by row from outside, and what the
// pages of Resource Manager and Compute add to it. Each row is a minimum: its role
// passes, so does any with more, and a neighbouring one with less does not.

// A tableRow is an action and the roles with which it is possible or not, when
// they are given on a resource.
type tableRow struct {
	name    string
	on      *pb.Resource
	passes  string // roles, with blanks between
	refused string
	call    func(ctx context.Context) error
}

func (w *stage) rows(t *testing.T, rows []tableRow) {
	t.Helper()
	n := 0
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for i, roles := range []string{r.refused, r.passes} {
				for role := range strings.FieldsSeq(roles) {
					n++
					_, ctx := w.someone(t, fmt.Sprintf("row-%d", n), given{role, w.where(t, role, r.on)})
					switch err := r.call(ctx); {
					case i == 0 && reasonless(err) != "PermissionDenied":
						t.Errorf("%s: %v, want a refusal", role, err)
					case i == 1 && err != nil:
						t.Errorf("%s: %v", role, err)
					}
				}
			}
			n++
			_, ctx := w.someone(t, fmt.Sprintf("row-%d", n))
			if err := r.call(ctx); reasonless(err) != "PermissionDenied" {
				t.Errorf("without any role: %v", err)
			}
		})
	}
}

// where returns a resource, or what stands above it and is of a kind that the
// role is for.
func (w *stage) where(t *testing.T, role string, on *pb.Resource) *pb.Resource {
	t.Helper()
	r, known := catalogue.Shipped().Role(role)
	path := []*pb.Resource{on, w.folder(), w.cloud(), w.organization()}
	switch on.GetKind() {
	case core.FolderKind, core.CloudKind:
		path = must(w.admin.Why(w.ctx, &pb.WhyRequest{Permission: "viewer", Resource: on}))(t).GetResourcePath()
	case core.OrganizationKind:
		path = path[:1]
	}
	for _, up := range path {
		if known && r.AllowedOn(up.GetKind()) {
			return up
		}
	}
	t.Fatalf("the role %s is for none of that", role)
	return nil
}

// fresh makes texts that have not been there.
func fresh(prefix string) func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("%s-%d", prefix, n) }
}

func (w *stage) newAccount(t *testing.T, name string) string {
	t.Helper()
	op := must(w.accounts.Create(w.ctx, &iamv1.CreateServiceAccountRequest{FolderId: w.FolderID, Name: name}))(t)
	return response[*iamv1.ServiceAccount](t, op).GetId()
}

// Rows 1 and 2 take nothing but authentication.
func TestTable_Rows1And2TakeAuthenticationOnly(t *testing.T) {
	w := openStage(t, false)
	ann := w.user(t, "ann")
	key := w.newKey(t, w.robot)
	ctx := w.as(t, w.token(t, key)) // row 1
	must(w.users.Get(ctx, &iamv1.GetUserAccountRequest{UserAccountId: ann}))(t)
	must(w.logins.GetByLogin(ctx, &iamv1.GetUserAccountByLoginRequest{Login: "ann"}))(t)
	_, err := w.users.Get(deadline(t), &iamv1.GetUserAccountRequest{UserAccountId: ann})
	refused(t, err, "Unauthenticated NO_TOKEN")
	_, err = w.logins.GetByLogin(deadline(t), &iamv1.GetUserAccountByLoginRequest{Login: "ann"})
	refused(t, err, "Unauthenticated NO_TOKEN")
}

const allPowerful = " editor admin "

func TestTable_Rows3To8AreAboutViewingAndAccounts(t *testing.T) {
	w := openStage(t, false)
	robot := accountResource(w.robot)
	vm := resource("compute.instance", "vm")
	must(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: vm, Parent: w.folder()}))(t)
	name := fresh("made")
	_, public := sharedKey()
	w.rows(t, []tableRow{
		{"3 view an account", robot, "iam.serviceAccounts.user viewer iam.viewer iam.serviceAccounts.admin" + allPowerful, "compute.viewer resource-manager.viewer vpc.admin", func(ctx context.Context) error {
			return only(w.accounts.Get(ctx, &iamv1.GetServiceAccountRequest{ServiceAccountId: w.robot}))
		}},
		{"3 list accounts", w.folder(), "iam.serviceAccounts.user viewer iam.viewer" + allPowerful, "compute.viewer iam.serviceAccounts.authorizedKeyAdmin", func(ctx context.Context) error {
			return only(w.accounts.List(ctx, &iamv1.ListServiceAccountsRequest{FolderId: w.FolderID}))
		}},
		{"3 list an account's operations", robot, "iam.serviceAccounts.user viewer" + allPowerful, "compute.viewer iam.serviceAccounts.accessKeyAdmin", func(ctx context.Context) error {
			return only(w.accounts.ListOperations(ctx, &iamv1.ListServiceAccountOperationsRequest{ServiceAccountId: w.robot}))
		}},
		{"4 view a folder", w.folder(), "iam.auditor iam.viewer resource-manager.viewer viewer" + allPowerful, "iam.serviceAccounts.tokenCreator iam.serviceAccounts.accessKeyAdmin", func(ctx context.Context) error {
			return only(w.folders.Get(ctx, &resv1.GetFolderRequest{FolderId: w.FolderID}))
		}},
		{"4 view a cloud", w.cloud(), "iam.auditor resource-manager.viewer viewer" + allPowerful, "iam.serviceAccounts.tokenCreator iam.serviceAccounts.user", func(ctx context.Context) error {
			return only(w.clouds.Get(ctx, &resv1.GetCloudRequest{CloudId: w.CloudID}))
		}},
		{"4 list folders", w.cloud(), "iam.auditor resource-manager.viewer viewer" + allPowerful, "iam.serviceAccounts.tokenCreator iam.serviceAccounts.user", func(ctx context.Context) error {
			return only(w.folders.List(ctx, &resv1.ListFoldersRequest{CloudId: w.CloudID}))
		}},
		{"5 view any resource", vm, "viewer compute.viewer" + allPowerful, "iam.viewer resource-manager.viewer vpc.viewer", func(ctx context.Context) error {
			return only(w.admin.GetResource(ctx, &pb.GetResourceRequest{Resource: vm}))
		}},
		{"5 list any resources", w.folder(), "viewer compute.viewer" + allPowerful, "iam.viewer resource-manager.viewer vpc.viewer", func(ctx context.Context) error {
			return only(w.admin.ListResources(ctx, &pb.ListResourcesRequest{Parent: w.folder(), Kind: "compute.instance"}))
		}},
		{"6 create an account", w.folder(), "iam.serviceAccounts.admin iam.editor" + allPowerful, "iam.serviceAccounts.keyAdmin iam.serviceAccounts.user iam.serviceAccounts.tokenCreator viewer compute.editor", func(ctx context.Context) error {
			return only(w.accounts.Create(ctx, &iamv1.CreateServiceAccountRequest{FolderId: w.FolderID, Name: name()}))
		}},
		{"7 update an account", robot, "iam.serviceAccounts.admin iam.editor" + allPowerful, "iam.serviceAccounts.keyAdmin iam.serviceAccounts.user iam.serviceAccounts.tokenCreator viewer", func(ctx context.Context) error {
			return only(w.accounts.Update(ctx, &iamv1.UpdateServiceAccountRequest{ServiceAccountId: w.robot, Description: name(), UpdateMask: mask("description")}))
		}},
		{"8 create and delete keys", robot, "iam.serviceAccounts.authorizedKeyAdmin iam.serviceAccounts.keyAdmin iam.serviceAccounts.admin iam.editor" + allPowerful,
			"iam.serviceAccounts.apiKeyAdmin iam.serviceAccounts.accessKeyAdmin iam.serviceAccounts.user iam.serviceAccounts.tokenCreator viewer", func(ctx context.Context) error {
				made, err := w.admin.AddKey(ctx, &pb.AddKeyRequest{ServiceAccountId: w.robot, PublicKey: public})
				if err != nil {
					return err
				}
				return only(w.keys.Delete(ctx, &iamv1.DeleteKeyRequest{KeyId: made.GetKeyId()}))
			}},
	})
	for _, role := range strings.Fields("viewer iam.serviceAccounts.user iam.serviceAccounts.keyAdmin editor iam.serviceAccounts.admin") { // row 7, delete: what can be done once
		id := w.newAccount(t, name())
		_, ctx := w.someone(t, name(), given{role, accountResource(id)})
		_, err := w.accounts.Delete(ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: id})
		if may := role == "editor" || role == "iam.serviceAccounts.admin"; may != (err == nil) {
			t.Errorf("row 7: delete as %s: %v", role, err)
		} else if !may {
			lacks(t, err, accounts+"delete", accountResource(id))
		}
	}
}

func TestTable_Rows9To12AreAboutGrants(t *testing.T) {
	w := openStage(t, false)
	robot := accountResource(w.robot)
	ann := w.user(t, "ann")
	vm := resource("compute.instance", "vm")
	must(w.admin.RegisterResource(w.ctx, &pb.RegisterResourceRequest{Resource: vm, Parent: w.folder()}))(t)
	viewer := []*access.AccessBindingDelta{added("viewer", "userAccount", ann)}
	const less = "editor viewer auditor iam.editor compute.editor resource-manager.editor"
	rows := []tableRow{
		{"9 add a user to a cloud", w.cloud(), "admin iam.admin resource-manager.admin organization-manager.admin " + core.CloudOwner, less + " compute.admin", func(ctx context.Context) error {
			return only(w.clouds.UpdateAccessBindings(ctx, &access.UpdateAccessBindingsRequest{ResourceId: w.CloudID, AccessBindingDeltas: []*access.AccessBindingDelta{added("resource-manager.clouds.member", "userAccount", ann)}}))
		}},
		{"10 make somebody owner of a cloud", w.cloud(), core.CloudOwner, "admin iam.admin resource-manager.admin organization-manager.admin " + less, func(ctx context.Context) error {
			return only(w.clouds.UpdateAccessBindings(ctx, &access.UpdateAccessBindingsRequest{ResourceId: w.CloudID, AccessBindingDeltas: []*access.AccessBindingDelta{added(core.CloudOwner, "userAccount", ann)}}))
		}},
		{"12 a token of an account", robot, "iam.serviceAccounts.tokenCreator iam.serviceAccounts.admin iam.admin admin", "iam.serviceAccounts.user iam.serviceAccounts.keyAdmin iam.editor editor viewer", func(ctx context.Context) error {
			return only(w.tokens.CreateForServiceAccount(ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: w.robot}))
		}},
	}
	for _, on := range []*pb.Resource{w.folder(), robot, vm} { // the cloud is row 9
		rows = append(rows,
			tableRow{"11 grant and revoke on " + on.GetKind(), on, "admin iam.admin resource-manager.admin organization-manager.admin", less, func(ctx context.Context) error {
				if _, err := w.bind(ctx, on, plusBinding("viewer", "userAccount", ann)); err != nil {
					return err
				}
				return only(w.bind(ctx, on, minusBinding("viewer", "userAccount", ann)))
			}},
			// A contradiction of the material: that roles are viewed is a read permission here.
			tableRow{"11 view roles on " + on.GetKind(), on, "admin auditor viewer editor", "iam.serviceAccounts.tokenCreator vpc.viewer", func(ctx context.Context) error {
				return only(w.admin.ListAccessBindings(ctx, &pb.ListAccessBindingsRequest{Resource: on}))
			}})
	}
	w.rows(t, rows)
	// Row 11, set: it takes the setter's own role away if he does not name it.
	id, ctx := w.someone(t, "setter", given{"admin", robot})
	must(w.accounts.SetAccessBindings(ctx, &access.SetAccessBindingsRequest{ResourceId: w.robot, AccessBindings: []*access.AccessBinding{binding("admin", "serviceAccount", id), binding("viewer", "userAccount", ann)}}))(t)
	_, err := w.accounts.SetAccessBindings(w.robotContext, &access.SetAccessBindingsRequest{ResourceId: w.robot})
	lacks(t, err, accounts+updateOfBindings, robot)
	must(w.accounts.SetAccessBindings(ctx, &access.SetAccessBindingsRequest{ResourceId: w.robot}))(t)
	_, err = w.accounts.UpdateAccessBindings(ctx, &access.UpdateAccessBindingsRequest{ResourceId: w.robot, AccessBindingDeltas: viewer})
	lacks(t, err, accounts+updateOfBindings, robot)
}

// Resource Manager's own page.
func TestTable_ResourceManager(t *testing.T) {
	w := openStage(t, false)
	name := fresh("made")
	folder := func() string {
		return response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: name()}))(t)).GetId()
	}
	victim := folder()
	w.rows(t, []tableRow{
		{"create a cloud, not the first one", w.organization(), "editor resource-manager.editor admin " + core.OrganizationOwner, "viewer resource-manager.viewer iam.editor", func(ctx context.Context) error {
			return only(w.clouds.Create(ctx, &resv1.CreateCloudRequest{OrganizationId: w.OrganizationID, Name: name()}))
		}},
		{"update a cloud", w.cloud(), "editor resource-manager.editor admin", "viewer resource-manager.viewer iam.serviceAccounts.admin compute.admin", func(ctx context.Context) error {
			return only(w.clouds.Update(ctx, &resv1.UpdateCloudRequest{CloudId: w.CloudID, Description: name(), UpdateMask: mask("description")}))
		}},
		{"create a folder", w.cloud(), "editor resource-manager.editor admin", "viewer resource-manager.viewer compute.admin", func(ctx context.Context) error {
			return only(w.folders.Create(ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: name()}))
		}},
		{"update a folder", w.folder(), "editor resource-manager.editor admin", "viewer resource-manager.viewer compute.admin", func(ctx context.Context) error {
			return only(w.folders.Update(ctx, &resv1.UpdateFolderRequest{FolderId: w.FolderID, Description: name(), UpdateMask: mask("description")}))
		}},
		{"delete a folder", resource(core.FolderKind, victim), "editor resource-manager.editor admin", "viewer resource-manager.viewer compute.admin", func(ctx context.Context) error {
			return only(w.folders.Delete(ctx, &resv1.DeleteFolderRequest{FolderId: victim}))
		}},
		{"list bindings of a cloud", w.cloud(), "viewer resource-manager.viewer auditor", "compute.viewer iam.serviceAccounts.user", func(ctx context.Context) error {
			return only(w.clouds.ListAccessBindings(ctx, &access.ListAccessBindingsRequest{ResourceId: w.CloudID}))
		}},
	})
	cloud := response[*resv1.Cloud](t, must(w.clouds.Create(w.ctx, &resv1.CreateCloudRequest{OrganizationId: w.OrganizationID, Name: "doomed"}))(t)).GetId()
	for _, role := range []string{"editor", "admin", "resource-manager.editor", "resource-manager.admin", core.CloudOwner} {
		_, ctx := w.someone(t, name(), given{role, resource(core.CloudKind, cloud)})
		_, err := w.clouds.Delete(ctx, &resv1.DeleteCloudRequest{CloudId: cloud, DeleteAfter: timestamppb.Now()})
		if role != core.CloudOwner {
			lacks(t, err, clouds+"delete", resource(core.CloudKind, cloud))
		} else if err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// Compute's own page: what its service asks of AccessService.
func TestTable_Compute(t *testing.T) {
	w := openStage(t, false)
	for roles, permissions := range map[string]string{
		"compute.viewer compute.operator compute.editor compute.admin": "compute.instances.get compute.instances.list compute.instanceGroups.get compute.instances.listAccessBindings",
		"compute.operator compute.editor compute.admin":                "compute.instances.start compute.instances.stop compute.instances.restart compute.instanceGroups.start compute.instanceGroups.stop compute.instanceGroups.rollingRestart compute.instanceGroups.rollingRecreate",
		"compute.editor compute.admin":                                 "compute.instances.create compute.instances.update compute.instances.delete compute.instanceGroups.create",
		"compute.admin":                                                "compute.instances.updateAccessBindings compute.instanceGroups.updateAccessBindings",
	} {
		for _, role := range strings.Fields("compute.viewer compute.operator compute.editor compute.admin") {
			for permission := range strings.FieldsSeq(permissions) {
				if want, got := strings.Contains(" "+roles+" ", " "+role+" "), w.holds(t, role, permission); got != want {
					t.Errorf("%s has %s: %v", role, permission, got)
				}
			}
		}
	}
}

// holds asks whether somebody with a role on the first folder may do something
// to an instance in it.
func (w *stage) holds(t *testing.T, role, permission string) bool {
	t.Helper()
	if w.known["role "+role] == "" {
		id, _ := w.someone(t, "with."+strings.ReplaceAll(role, ".", "-"), given{role, w.folder()})
		if w.known == nil {
			w.known = map[string]string{}
		}
		w.known["role "+role] = id
	}
	got := must(w.access.Authorize(w.service, &pb.AuthorizeRequest{
		Identity:   &pb.AuthorizeRequest_Subject{Subject: &pb.Subject{Type: "serviceAccount", Id: w.known["role "+role]}},
		Permission: permission, ResourcePath: []*pb.Resource{resource("compute.instance", "unregistered"), w.folder()}, Consistency: latestView(),
	}))(t)
	return got.GetDecision() == allowed
}
