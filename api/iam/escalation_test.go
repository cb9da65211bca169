package iam

import (
	"context"
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// An attempt is a call that somebody may not make, and for want of what; somebody
// else may make the same call right after, so that nothing but who calls is at fault.
type attempt struct {
	name       string
	call       func(ctx context.Context) error
	may        context.Context
	mayNot     context.Context
	permission string // that is lacking
	on         *pb.Resource
}

func (w *stage) run(t *testing.T, attempts []attempt) {
	t.Helper()
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			lacks(t, a.call(a.mayNot), a.permission, a.on)
			if err := a.call(a.may); err != nil {
				t.Errorf("who may is refused, too: %v", err)
			}
		})
	}
}

// only drops a call's answer.
func only[A any](_ A, err error) error { return err }

const (
	updateOfBindings = "updateAccessBindings"
	clouds           = "resource-manager.clouds."
	folders          = "resource-manager.folders."
	accounts         = "iam.serviceAccounts."
)

func TestEscalation_ByBindings(t *testing.T) {
	w := openStage(t, false)
	id, _ := w.someone(t, "somebody")
	_, orgAdmin := w.someone(t, "org.admin", given{"admin", w.organization()}, given{"organization-manager.admin", w.organization()})
	_, cloudAdmin := w.someone(t, "cloud.admin", given{"admin", w.cloud()}, given{"resource-manager.admin", w.cloud()})
	_, folderAdmin := w.someone(t, "folder.admin", given{"admin", w.folder()})
	_, editor := w.someone(t, "editor", given{"editor", w.organization()})
	_, cloudOwner := w.someone(t, "cloud.owner", given{core.CloudOwner, w.cloud()})
	_, computeAdmin := w.someone(t, "compute.admin", given{"compute.admin", w.organization()})
	bind := func(on *pb.Resource, deltas ...*pb.AccessBindingDelta) func(context.Context) error {
		return func(ctx context.Context) error { return only(w.bind(ctx, on, deltas...)) }
	}
	viewer := plusBinding("viewer", "serviceAccount", id)
	w.run(t, []attempt{
		{"an admin makes an owner of the organization", bind(w.organization(), plusBinding(core.OrganizationOwner, "serviceAccount", id)),
			w.ctx, orgAdmin, core.OrganizationOwner, w.organization()},
		{"an owner of a cloud makes one of the organization", bind(w.organization(), plusBinding(core.OrganizationOwner, "serviceAccount", id)),
			w.ctx, cloudOwner, "organization-manager.organizations.updateAccessBindings", w.organization()},
		{"an admin makes an owner of a cloud", bind(w.cloud(), plusBinding(core.CloudOwner, "serviceAccount", id)),
			cloudOwner, cloudAdmin, core.CloudOwner, w.cloud()},
		{"an admin revokes an owner", bind(w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", id)),
			cloudOwner, cloudAdmin, core.CloudOwner, w.cloud()},
		{"an admin revokes an owner by setting all bindings", func(ctx context.Context) error {
			return only(w.clouds.SetAccessBindings(ctx, &access.SetAccessBindingsRequest{ResourceId: w.CloudID, AccessBindings: []*access.AccessBinding{
				binding(core.CloudOwner, "serviceAccount", w.AccountID), binding("admin", "serviceAccount", id),
			}}))
		}, w.ctx, cloudAdmin, core.CloudOwner, w.cloud()},
		{"an editor assigns roles", bind(w.folder(), viewer), folderAdmin, editor, folders + updateOfBindings, w.folder()},
		{"an editor sets all bindings", func(ctx context.Context) error {
			return only(w.folders.SetAccessBindings(ctx, &access.SetAccessBindingsRequest{ResourceId: w.FolderID, AccessBindings: []*access.AccessBinding{
				binding("admin", "serviceAccount", w.AccountID), // whoever may next is an owner
			}}))
		}, w.ctx, editor, folders + updateOfBindings, w.folder()},
		{"an admin of a folder assigns on its cloud", bind(w.cloud(), viewer), w.ctx, folderAdmin, clouds + updateOfBindings, w.cloud()},
		{"an admin of a cloud assigns on its organization", bind(w.organization(), viewer),
			w.ctx, cloudAdmin, "organization-manager.organizations.updateAccessBindings", w.organization()},
		{"an admin of a service assigns on a folder", bind(w.folder(), plusBinding("compute.admin", "serviceAccount", id)),
			w.ctx, computeAdmin, folders + updateOfBindings, w.folder()},
		{"an editor lists nothing but may not revoke", bind(w.folder(), minusBinding("admin", "serviceAccount", id)),
			w.ctx, editor, folders + updateOfBindings, w.folder()},
	})
}

func TestEscalation_ByAccounts(t *testing.T) {
	w := openStage(t, false)
	robot := accountResource(w.robot)
	_, creator := w.someone(t, "creator", given{"iam.serviceAccounts.tokenCreator", robot})
	_, user := w.someone(t, "user", given{"iam.serviceAccounts.user", robot})
	_, keeper := w.someone(t, "keeper", given{"iam.serviceAccounts.authorizedKeyAdmin", robot})
	_, manager := w.someone(t, "manager", given{"iam.serviceAccounts.admin", w.folder()})
	_, computer := w.someone(t, "computer", given{"compute.admin", w.folder()})
	_, public := sharedKey()
	asks := func(id string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return only(w.tokens.CreateForServiceAccount(ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}))
		}
	}
	adds := func(id string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return only(w.admin.AddKey(ctx, &pb.AddKeyRequest{ServiceAccountId: id, PublicKey: public}))
		}
	}
	runs := func(group, account string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return only(w.admin.RegisterResource(ctx, &pb.RegisterResourceRequest{Resource: resource("compute.instanceGroup", group), Parent: w.folder(), ServiceAccountId: account}))
		}
	}
	key := w.newKey(t, w.robot)
	_, both := w.someone(t, "both", given{"compute.admin", w.folder()}, given{"iam.serviceAccounts.user", w.folder()})
	w.run(t, []attempt{
		{"a token of an account without tokenCreator", asks(w.robot), creator, user, accounts + "createToken", robot},
		{"a token of another account of the same folder", asks(w.robot), manager, w.robotOf(t, "other"), accounts + "createToken", robot},
		{"who creates tokens changes bindings", func(ctx context.Context) error {
			return only(w.accounts.UpdateAccessBindings(ctx, &access.UpdateAccessBindingsRequest{ResourceId: w.robot, AccessBindingDeltas: vendorDeltas("iam.serviceAccounts.admin", w.robot)}))
		}, manager, creator, accounts + updateOfBindings, robot},
		{"who creates tokens makes keys", adds(w.robot), keeper, creator, "iam.keys.create", robot},
		{"who makes keys creates tokens", asks(w.robot), creator, keeper, accounts + "createToken", robot},
		{"who uses an account makes keys", adds(w.robot), keeper, user, "iam.keys.create", robot},
		{"who uses an account deletes keys", func(ctx context.Context) error {
			return only(w.keys.Delete(ctx, &iamv1.DeleteKeyRequest{KeyId: key.ID}))
		}, keeper, user, "iam.keys.delete", resource(core.KeyKind, key.ID)},
		{"a resource runs as an account that one may not use", runs("g1", w.robot), both, computer, accounts + "use", robot},
		{"a resource in a folder where one may not create", runs("g2", ""), computer, user, "compute.instanceGroups.create", w.folder()},
		{"who creates tokens suspends", func(ctx context.Context) error {
			return only(w.accounts.Suspend(ctx, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: w.robot}))
		}, manager, creator, accounts + "suspend", robot},
		{"who creates tokens reactivates", func(ctx context.Context) error {
			return only(w.accounts.Reactivate(ctx, &iamv1.ReactivateServiceAccountRequest{ServiceAccountId: w.robot}))
		}, manager, creator, accounts + "reactivate", robot},
	})
	unused, _ := w.someone(t, "unused")
	must(w.bind(w.ctx, accountResource(unused), plusBinding("iam.serviceAccounts.tokenCreator", "serviceAccount", w.robot)))(t)
	w.run(t, []attempt{{"who creates tokens deletes the account", func(ctx context.Context) error {
		return only(w.accounts.Delete(ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: unused}))
	}, manager, w.robotContext, accounts + "delete", accountResource(unused)}})
}

// robotOf makes one more account without any right.
func (w *stage) robotOf(t *testing.T, name string) context.Context {
	t.Helper()
	_, ctx := w.someone(t, name)
	return ctx
}

// Who may make credentials where an owner stands is not an owner for that.
func TestEscalation_IntoThePlaceOfAnOwner(t *testing.T) {
	w := openStage(t, false)
	_, admin := w.someone(t, "admin", given{"admin", w.folder()})
	_, lord := w.someone(t, "lord", given{core.CloudOwner, w.cloud()})
	rival, _ := w.someone(t, "rival", given{core.CloudOwner, w.cloud()})
	_, public := sharedKey()
	groupOwner, _ := w.someone(t, "in-a-group")
	group := w.group(t, "owners")
	if err := w.join(w.ctx, group, groupOwner); err != nil {
		t.Fatal(err)
	}
	must(w.bind(w.ctx, w.cloud(), plusBinding(core.CloudOwner, "group", group)))(t)
	_, members := w.someone(t, "members", given{"organization-manager.groups.admin", w.organization()})
	token := func(id string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return only(w.tokens.CreateForServiceAccount(ctx, &iamv1.CreateIamTokenForServiceAccountRequest{ServiceAccountId: id}))
		}
	}
	key := func(ctx context.Context) error {
		return only(w.admin.AddKey(ctx, &pb.AddKeyRequest{ServiceAccountId: groupOwner, PublicKey: public}))
	}
	run := func(ctx context.Context) error {
		return only(w.admin.RegisterResource(ctx, &pb.RegisterResourceRequest{Resource: resource("compute.instanceGroup", "g"), Parent: w.folder(), ServiceAccountId: groupOwner}))
	}
	suspend := func(ctx context.Context) error {
		return only(w.accounts.Suspend(ctx, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: rival}))
	}
	w.run(t, []attempt{
		{"an admin takes a token of an owner", token(groupOwner), lord, admin, core.CloudOwner, w.cloud()},
		{"an admin makes a key of an owner", key, lord, admin, core.CloudOwner, w.cloud()},
		{"an admin runs something as an owner", run, lord, admin, core.CloudOwner, w.cloud()},
		{"an admin suspends an owner", suspend, lord, admin, core.CloudOwner, w.cloud()},
		{"an admin of groups joins the owners", func(ctx context.Context) error { return w.join(ctx, group, w.robot) }, w.ctx, members, core.CloudOwner, w.cloud()},
	})
	lacks(t, token(w.AccountID)(lord), core.OrganizationOwner, w.organization()) // of a cloud only
}

func TestEscalation_ByRolesAndTheRest(t *testing.T) {
	w := openStage(t, false)
	_, admin := w.someone(t, "admin", given{"admin", w.cloud()}, given{"admin", w.folder()})
	_, orgAdmin := w.someone(t, "org.admin", given{"admin", w.organization()}, given{"organization-manager.admin", w.organization()})
	_, lord := w.someone(t, "lord", given{core.CloudOwner, w.cloud()})
	_, viewer := w.someone(t, "viewer", given{"viewer", w.organization()})
	maker := must(w.admin.CreateRole(w.ctx, &pb.CreateRoleRequest{OrganizationId: w.OrganizationID, Name: "maker", Permissions: []string{"iam.roles.create", "iam.roles.update", "compute.instances.get"}}))(t).GetRole().GetId()
	_, author := w.someone(t, "author", given{maker, w.organization()})
	mine := must(w.admin.CreateRole(author, &pb.CreateRoleRequest{OrganizationId: w.OrganizationID, Name: "mine", Permissions: []string{"compute.instances.get"}}))(t).GetRole().GetId()
	wrecker := must(w.admin.CreateRole(w.ctx, &pb.CreateRoleRequest{OrganizationId: w.OrganizationID, Name: "wrecker", Permissions: []string{"resource-manager.clouds.delete"}}))(t).GetRole().GetId()
	source := must(w.admin.GetCatalogue(w.ctx, &pb.GetCatalogueRequest{}))(t).GetSource()
	folder := response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: "doomed"}))(t)).GetId()
	deletion := must(w.folders.Delete(w.ctx, &resv1.DeleteFolderRequest{FolderId: folder}))(t)
	cloud := response[*resv1.Cloud](t, must(w.clouds.Create(w.ctx, &resv1.CreateCloudRequest{OrganizationId: w.OrganizationID, Name: "doomed"}))(t)).GetId()
	must(w.bind(w.ctx, w.cloud(), plusBinding("viewer", "serviceAccount", w.robot)))(t)
	w.run(t, []attempt{
		{"a custom role of what its author lacks", func(ctx context.Context) error {
			return only(w.admin.CreateRole(ctx, &pb.CreateRoleRequest{OrganizationId: w.OrganizationID, Name: "more", Permissions: []string{"compute.instances.get", "compute.instances.delete"}}))
		}, w.ctx, author, "compute.instances.delete", w.organization()},
		{"a custom role gets what its author lacks", func(ctx context.Context) error {
			return only(w.admin.UpdateRole(ctx, &pb.UpdateRoleRequest{RoleId: mine, Fields: []string{"permissions"}, Permissions: []string{"compute.instances.get", "compute.instances.delete"}}))
		}, w.ctx, author, "compute.instances.delete", w.organization()},
		{"an admin grants a custom role of what only owners have", func(ctx context.Context) error {
			return only(w.bind(ctx, w.cloud(), plusBinding(wrecker, "serviceAccount", w.robot)))
		}, lord, admin, "resource-manager.clouds.delete", w.cloud()},
		{"an admin deletes a cloud", func(ctx context.Context) error {
			return only(w.clouds.Delete(ctx, &resv1.DeleteCloudRequest{CloudId: cloud}))
		}, w.ctx, orgAdmin, "resource-manager.clouds.delete", resource(core.CloudKind, cloud)},
		{"an admin of a cloud makes roles of the organization", func(ctx context.Context) error {
			return only(w.admin.CreateRole(ctx, &pb.CreateRoleRequest{OrganizationId: w.OrganizationID, Name: "own", Permissions: []string{"compute.instances.get"}}))
		}, w.ctx, admin, "iam.roles.create", w.organization()},
		{"who is no operator replaces the catalogue", func(ctx context.Context) error {
			return only(w.admin.SetCatalogue(ctx, &pb.SetCatalogueRequest{Source: source}))
		}, w.ctx, orgAdmin, core.OrganizationOwner, w.organization()},
		{"who is no operator rotates the signing key", func(ctx context.Context) error {
			return only(w.admin.RotateSigningKey(ctx, &pb.RotateSigningKeyRequest{}))
		}, w.ctx, orgAdmin, core.OrganizationOwner, w.organization()},
		{"a viewer cancels what somebody else deletes", func(ctx context.Context) error {
			return only(w.ops.Cancel(ctx, &operation.CancelOperationRequest{OperationId: deletion.GetId()}))
		}, admin, viewer, folders + "delete", resource(core.FolderKind, folder)},
		{"somebody looks at an operation of others", func(ctx context.Context) error {
			return only(w.ops.Get(ctx, &operation.GetOperationRequest{OperationId: deletion.GetId()}))
		}, viewer, w.robotOf(t, "stranger"), folders + "listOperations", resource(core.FolderKind, folder)},
		{"somebody lists bindings", func(ctx context.Context) error {
			return only(w.folders.ListAccessBindings(ctx, &access.ListAccessBindingsRequest{ResourceId: w.FolderID}))
		}, viewer, w.robotOf(t, "stranger2"), folders + "listAccessBindings", w.folder()},
		{"somebody asks what others can do", func(ctx context.Context) error {
			return only(w.admin.Why(ctx, &pb.WhyRequest{Subject: &pb.Subject{Type: "serviceAccount", Id: w.AccountID}, Permission: "viewer", Resource: w.folder()}))
		}, viewer, w.robotOf(t, "stranger3"), folders + "listAccessBindings", w.folder()},
		{"somebody makes users", func(ctx context.Context) error {
			return only(w.admin.AddUser(ctx, &pb.AddUserRequest{OrganizationId: w.OrganizationID, Login: "eve"}))
		}, orgAdmin, admin, "organization-manager.users.create", w.organization()},
	})
}
