package sdktest

import (
	"slices"
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"github.com/yandex-cloud/go-sdk/v2"
	"github.com/yandex-cloud/go-sdk/v2/credentials"
	"github.com/yandex-cloud/go-sdk/v2/pkg/iamkey"
	endpointsdk "github.com/yandex-cloud/go-sdk/v2/services/endpoint"
	iamsdk "github.com/yandex-cloud/go-sdk/v2/services/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// conn returns a connection of the SDK, with its tokens, for services of which
// the SDK has no client of its own.
func conn(t *testing.T, sdk *ycsdk.SDK, method protoreflect.FullName) grpc.ClientConnInterface {
	t.Helper()
	c, err := sdk.GetConnection(t.Context(), method)
	must(t, err)
	return c
}

func folders(t *testing.T, sdk *ycsdk.SDK) resourcemanager.FolderServiceClient {
	return resourcemanager.NewFolderServiceClient(conn(t, sdk, "yandex.cloud.resourcemanager.v1.FolderService.Get"))
}

// account makes a service account, with the SDK's own waiting.
func account(t *testing.T, sdk *ycsdk.SDK, folder, name string) *iam.ServiceAccount {
	t.Helper()
	op, err := iamsdk.NewServiceAccountClient(sdk).Create(t.Context(), &iam.CreateServiceAccountRequest{FolderId: folder, Name: name})
	must(t, err)
	a, err := op.Wait(t.Context())
	must(t, err)
	if a.Name != name || a.FolderId != folder || op.Metadata().ServiceAccountId != a.Id {
		t.Fatalf("created %v, metadata %v", a, op.Metadata())
	}
	return a
}

// credentialsOf makes a key of an account and returns the SDK's credentials with it.
func credentialsOf(t *testing.T, sdk *ycsdk.SDK, id string) credentials.Credentials {
	t.Helper()
	made, err := iamsdk.NewKeyClient(sdk).Create(t.Context(), &iam.CreateKeyRequest{ServiceAccountId: id})
	must(t, err)
	creds, err := credentials.ServiceAccountKey(&iamkey.Key{
		Id: made.Key.Id, Subject: &iamkey.Key_ServiceAccountId{ServiceAccountId: id},
		PrivateKey: made.PrivateKey, PublicKey: made.Key.PublicKey, CreatedAt: made.Key.CreatedAt,
	})
	must(t, err)
	return creds
}

func grant(role string, a *iam.ServiceAccount) *access.AccessBindingDelta {
	return &access.AccessBindingDelta{Action: access.AccessBindingAction_ADD, AccessBinding: bind(role, a)}
}

func bind(role string, a *iam.ServiceAccount) *access.AccessBinding {
	return &access.AccessBinding{RoleId: role, Subject: &access.Subject{Id: a.Id, Type: "serviceAccount"}}
}

func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("got %v (%v), want %v", got, err, want)
	}
}

func TestSDK_KeyIsExchangedForToken(t *testing.T) {
	c := start(t)
	got, err := iamsdk.NewServiceAccountClient(c.owner(t)).Get(t.Context(), &iam.GetServiceAccountRequest{ServiceAccountId: c.ServiceAccountID})
	must(t, err)
	if got.Id != c.ServiceAccountID || got.FolderId != c.FolderID {
		t.Errorf("got %v", got)
	}
}

func TestSDK_FoldersAndAccounts(t *testing.T) {
	c := start(t)
	sdk := c.owner(t)
	ctx := t.Context()
	op, err := folders(t, sdk).Create(ctx, &resourcemanager.CreateFolderRequest{CloudId: c.CloudID, Name: "team", Labels: map[string]string{"stage": "test"}})
	must(t, err)
	if !op.Done {
		t.Fatalf("the operation is not done: %v", op)
	}
	var f resourcemanager.Folder
	must(t, op.GetResponse().UnmarshalTo(&f))
	a := account(t, sdk, f.Id, "robot")

	client := iamsdk.NewServiceAccountClient(sdk)
	update, err := client.Update(ctx, &iam.UpdateServiceAccountRequest{
		ServiceAccountId: a.Id, Description: "tidies up", UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description"}},
	})
	must(t, err)
	changed, err := update.Wait(ctx)
	must(t, err)
	if changed.Description != "tidies up" || changed.Name != "robot" {
		t.Errorf("updated: %v", changed)
	}
	list, err := client.List(ctx, &iam.ListServiceAccountsRequest{FolderId: f.Id, Filter: `name="robot"`})
	must(t, err)
	if len(list.ServiceAccounts) != 1 || list.ServiceAccounts[0].Id != a.Id {
		t.Errorf("listed %v", list)
	}
	remove, err := client.Delete(ctx, &iam.DeleteServiceAccountRequest{ServiceAccountId: a.Id})
	must(t, err)
	_, err = remove.Wait(ctx)
	must(t, err)
	_, err = client.Get(ctx, &iam.GetServiceAccountRequest{ServiceAccountId: a.Id})
	wantCode(t, err, codes.NotFound)
}

func TestSDK_IteratorPages(t *testing.T) {
	c := start(t)
	sdk := c.owner(t)
	want := []string{c.ServiceAccountID}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		want = append(want, account(t, sdk, c.FolderID, name).Id)
	}
	var got []string
	it := iamsdk.NewServiceAccountClient(sdk).Iterator(t.Context(), &iam.ListServiceAccountsRequest{FolderId: c.FolderID, PageSize: 2})
	for it.Next() {
		got = append(got, it.Value().Id)
	}
	must(t, it.Error())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("iterated over %v, want %v", got, want)
	}
}

func TestSDK_BindingsDecideWhatAnAccountMay(t *testing.T) {
	c := start(t)
	owner, ctx := c.owner(t), t.Context()
	robot := account(t, owner, c.FolderID, "robot")
	sdk := c.sdk(t, credentialsOf(t, owner, robot.Id))
	accounts := iamsdk.NewServiceAccountClient(sdk)
	list := &iam.ListServiceAccountsRequest{FolderId: c.FolderID}
	_, err := accounts.List(ctx, list)
	wantCode(t, err, codes.PermissionDenied)

	f := folders(t, owner)
	op, err := f.UpdateAccessBindings(ctx, &access.UpdateAccessBindingsRequest{
		ResourceId: c.FolderID, AccessBindingDeltas: []*access.AccessBindingDelta{grant("viewer", robot)},
	})
	must(t, err)
	if !op.Done {
		t.Fatalf("the operation is not done: %v", op)
	}
	var result access.AccessBindingsOperationResult
	must(t, op.GetResponse().UnmarshalTo(&result))
	if len(result.EffectiveDeltas) != 1 {
		t.Errorf("effective deltas: %v", &result)
	}
	_, err = accounts.List(ctx, list)
	must(t, err)
	_, err = accounts.Create(ctx, &iam.CreateServiceAccountRequest{FolderId: c.FolderID, Name: "more"})
	wantCode(t, err, codes.PermissionDenied)

	_, err = f.SetAccessBindings(ctx, &access.SetAccessBindingsRequest{ResourceId: c.FolderID, AccessBindings: []*access.AccessBinding{bind("auditor", robot)}})
	must(t, err)
	bindings, err := f.ListAccessBindings(ctx, &access.ListAccessBindingsRequest{ResourceId: c.FolderID})
	must(t, err)
	if len(bindings.AccessBindings) != 1 || bindings.AccessBindings[0].RoleId != "auditor" {
		t.Errorf("bindings after set: %v", bindings)
	}
	_, err = f.SetAccessBindings(ctx, &access.SetAccessBindingsRequest{ResourceId: c.FolderID})
	must(t, err)
	_, err = accounts.List(ctx, list)
	wantCode(t, err, codes.PermissionDenied)
}

func TestSDK_Impersonation(t *testing.T) {
	c := start(t)
	owner, ctx := c.owner(t), t.Context()
	robot, boss := account(t, owner, c.FolderID, "robot"), account(t, owner, c.FolderID, "boss")
	tokens := iamsdk.NewIamTokenClient(c.sdk(t, credentialsOf(t, owner, robot.Id)))
	forBoss := &iam.CreateIamTokenForServiceAccountRequest{ServiceAccountId: boss.Id}
	_, err := tokens.CreateForServiceAccount(ctx, forBoss)
	wantCode(t, err, codes.PermissionDenied)

	op, err := iamsdk.NewServiceAccountClient(owner).UpdateAccessBindings(ctx, &access.UpdateAccessBindingsRequest{
		ResourceId: boss.Id, AccessBindingDeltas: []*access.AccessBindingDelta{grant("iam.serviceAccounts.tokenCreator", robot)},
	})
	must(t, err)
	_, err = op.Wait(ctx)
	must(t, err)
	token, err := tokens.CreateForServiceAccount(ctx, forBoss)
	must(t, err)
	// What the token can do is what the account that it is for can.
	keys, err := iamsdk.NewKeyClient(c.sdk(t, credentials.IAMToken(token.IamToken))).List(ctx, &iam.ListKeysRequest{})
	must(t, err)
	if len(keys.Keys) != 0 {
		t.Errorf("the impersonated account has keys: %v", keys)
	}
	_, err = iamsdk.NewIamTokenClient(owner).Revoke(ctx, &iam.RevokeIamTokenRequest{IamToken: token.IamToken})
	must(t, err)
	_, err = iamsdk.NewKeyClient(c.sdk(t, credentials.IAMToken(token.IamToken))).List(ctx, &iam.ListKeysRequest{})
	wantCode(t, err, codes.Unauthenticated)
}

func TestSDK_OperationsAreKept(t *testing.T) {
	c := start(t)
	sdk, ctx := c.owner(t), t.Context()
	a := account(t, sdk, c.FolderID, "robot")
	list, err := iamsdk.NewServiceAccountClient(sdk).ListOperations(ctx, &iam.ListServiceAccountOperationsRequest{ServiceAccountId: a.Id})
	must(t, err)
	if len(list.Operations) != 1 || !list.Operations[0].Done {
		t.Fatalf("operations of a new account: %v", list)
	}
	got, err := operation.NewOperationServiceClient(conn(t, sdk, "yandex.cloud.operation.OperationService.Get")).
		Get(ctx, &operation.GetOperationRequest{OperationId: list.Operations[0].Id})
	must(t, err)
	var made iam.ServiceAccount
	must(t, got.GetResponse().UnmarshalTo(&made))
	if made.Id != a.Id || got.CreatedBy != c.ServiceAccountID {
		t.Errorf("operation %v", got)
	}
}

func TestSDK_IdempotencyKeyMakesRetriesSafe(t *testing.T) {
	c := start(t)
	client := iamsdk.NewServiceAccountClient(c.owner(t))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "idempotency-key", "3a6f5a9e-6a1c-4c5f-8e2f-0d3a1b2c3d4e")
	var ids []string
	for range 2 {
		op, err := client.Create(ctx, &iam.CreateServiceAccountRequest{FolderId: c.FolderID, Name: "once"})
		must(t, err)
		ids = append(ids, op.ID())
	}
	if ids[0] != ids[1] {
		t.Errorf("two operations: %v", ids)
	}
	_, err := client.Create(ctx, &iam.CreateServiceAccountRequest{FolderId: c.FolderID, Name: "other"})
	wantCode(t, err, codes.InvalidArgument)
}

func TestSDK_DiscoveryNamesThisServer(t *testing.T) {
	c := start(t)
	list, err := endpointsdk.NewApiEndpointClient(c.owner(t)).List(t.Context(), &endpoint.ListApiEndpointsRequest{})
	must(t, err)
	at := map[string]string{}
	for _, e := range list.Endpoints {
		at[e.Id] = e.Address
	}
	for _, id := range []string{"iam", "resource-manager", "organization-manager", "operation"} {
		if at[id] != c.addr {
			t.Errorf("endpoint %s is %q, want %q", id, at[id], c.addr)
		}
	}
}
