package iam

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/iam/credential"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// A stage is an ownSite whose clock a test moves, and on which other
// organizations can be planted, which no call makes.
type stage struct {
	*ownSite
	ahead  *atomic.Int64 // nanoseconds
	second *authz.Layer  // the layer's tenant once more, to plant in

	robot        string // an account of the folder that has nothing
	robotContext context.Context
}

func openStage(t *testing.T, strict bool) *stage {
	t.Helper()
	w := &stage{ahead: new(atomic.Int64)}
	now := func() int64 { return time.Now().UnixNano() + w.ahead.Load() }
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), Logger: discard, MinFreeDisk: -1, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	engine := func() *authz.Service {
		checker, err := check.New(check.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(checker.Close)
		return authz.New(node, checker, authz.Options{Now: now})
	}
	first := engine()
	layer := core.New(core.Config{Service: first, Master: credential.NewMasterKey(), Strict: strict, Log: discard})
	w.second = engine().Layer(core.Tenant, func(authz.LayerView) (string, error) { return catalogue.Shipped().Schema(nil), nil })
	c := Config{Service: layer, Address: here, Log: discard}
	w.ownSite = dialOwn(t, serveOwn(t, first, append(Vendor(c), Own(c)...)))
	private, public := sharedKey()
	made := must(w.setup.Initialize(w.service, &pb.InitializeRequest{PublicKey: public}))(t)
	w.Founded = &core.Founded{OrganizationID: made.GetOrganizationId(), CloudID: made.GetCloudId(), FolderID: made.GetFolderId(),
		AccountID: made.GetServiceAccountId(), KeyID: made.GetKeyId()}
	w.iam, w.key = layer, keyFile(w.KeyID, w.AccountID, private)
	w.ctx = w.as(t, w.token(t, w.key))
	w.robot, w.robotContext = w.someone(t, "robot")
	return w
}

func (w *stage) cloud() *pb.Resource { return resource(core.CloudKind, w.CloudID) }

func resource(kind, id string) *pb.Resource { return &pb.Resource{Kind: kind, Id: id} }

func accountResource(id string) *pb.Resource { return resource(core.ServiceAccountKind, id) }

// a role that somebody is given on a resource.
type given struct {
	role string
	on   *pb.Resource
}

// someone makes a service account in the first folder with a key of its own and
// roles, and returns its id and calls as it.
func (w *stage) someone(t *testing.T, name string, roles ...given) (id string, ctx context.Context) {
	t.Helper()
	op := must(w.accounts.Create(w.ctx, &iamv1.CreateServiceAccountRequest{FolderId: w.FolderID, Name: strings.ToLower(strings.ReplaceAll(name, ".", "-"))}))(t)
	id = response[*iamv1.ServiceAccount](t, op).GetId()
	for _, g := range roles {
		must(w.bind(w.ctx, g.on, plusBinding(g.role, "serviceAccount", id)))(t)
	}
	return id, w.as(t, w.token(t, w.newKey(t, id)))
}

// newKey makes an authorized key of an account.
func (w *stage) newKey(t *testing.T, account string) *credential.KeyFile {
	t.Helper()
	private, public := sharedKey()
	k := must(w.admin.AddKey(w.ctx, &pb.AddKeyRequest{ServiceAccountId: account, PublicKey: public}))(t)
	return keyFile(k.GetKeyId(), account, private)
}

// bind changes bindings of any resource.
func (w *stage) bind(ctx context.Context, on *pb.Resource, deltas ...*pb.AccessBindingDelta) (*pb.UpdateAccessBindingsResponse, error) {
	return w.admin.UpdateAccessBindings(ctx, &pb.UpdateAccessBindingsRequest{Resource: on, AccessBindingDeltas: deltas})
}

func plusBinding(role, typ, id string) *pb.AccessBindingDelta {
	return &pb.AccessBindingDelta{Action: pb.AccessBindingDelta_ACTION_ADD, AccessBinding: &pb.AccessBinding{RoleId: role, Subject: &pb.Subject{Type: typ, Id: id}}}
}

func minusBinding(role, typ, id string) *pb.AccessBindingDelta {
	d := plusBinding(role, typ, id)
	d.Action = pb.AccessBindingDelta_ACTION_REMOVE
	return d
}

// vendorDeltas is plusBinding for the vendor's API.
func vendorDeltas(role, id string) []*access.AccessBindingDelta {
	return []*access.AccessBindingDelta{added(role, "serviceAccount", id)}
}

// join puts accounts into a group.
func (w *stage) join(ctx context.Context, group string, accounts ...string) error {
	r := &orgv1.UpdateGroupMembersRequest{GroupId: group}
	for _, id := range accounts {
		r.MemberDeltas = append(r.MemberDeltas, &orgv1.MemberDelta{Action: orgv1.MemberDelta_ADD, SubjectId: id})
	}
	_, err := w.groups.UpdateMembers(ctx, r)
	return err
}

// plant writes records and tuples past all rules.
func (w *stage) plant(t *testing.T, records map[string]any, tuples ...string) {
	t.Helper()
	v, err := w.second.View(deadline(t), authz.Consistency{Level: authz.Latest})
	if err != nil {
		t.Fatal(err)
	}
	write := authz.LayerWrite{At: &v}
	for key, value := range records {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		write.Records = append(write.Records, authz.RecordUpdate{Key: key, Value: data})
	}
	for _, text := range tuples {
		is, err := tuple.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		write.Updates = append(write.Updates, authz.Update{Op: authz.Touch, Tuple: is})
	}
	if _, err := w.second.Commit(deadline(t), authz.Caller{Name: "test"}, write); err != nil {
		t.Fatal(err)
	}
}

// An abroad is another organization, with one of everything.
type abroad struct {
	organization, cloud, folder, account, group, user, role string
}

// neighbour plants another organization, in which nobody of the first has a role.
func (w *stage) neighbour(t *testing.T) abroad {
	t.Helper()
	a := abroad{"org2", "cloud2", "folder2", "account2", "group2", "user2", "cr000000000000000002"}
	w.plant(t, map[string]any{
		"organizations":             []string{w.OrganizationID, a.organization},
		"organization/org2":         core.Organization{ID: a.organization, About: core.About{Name: "two"}},
		"cloud/cloud2":              core.Cloud{ID: a.cloud, OrganizationID: a.organization, About: core.About{Name: "two"}},
		"folder/folder2":            core.Folder{ID: a.folder, CloudID: a.cloud, About: core.About{Name: "two"}},
		"account/account2":          core.Account{ID: a.account, FolderID: a.folder, CloudID: a.cloud, About: core.About{Name: "two"}},
		"group/group2":              core.Group{ID: a.group, OrganizationID: a.organization, About: core.About{Name: "two"}},
		"user/user2":                core.User{ID: a.user, Type: core.UserAccount, Organizations: []string{a.organization}, Login: "two"},
		"role/cr000000000000000002": core.Role{ID: a.role, OrganizationID: a.organization, Name: "two", Permissions: []string{"compute.instances.get"}},
	},
		"iam.resource:resource-manager.cloud/cloud2#parent@iam.resource:organization-manager.organization/org2",
		"iam.resource:resource-manager.folder/folder2#parent@iam.resource:resource-manager.cloud/cloud2",
		"iam.resource:iam.serviceAccount/account2#parent@iam.resource:resource-manager.folder/folder2",
		"iam.resource:organization-manager.group/group2#parent@iam.resource:organization-manager.organization/org2",
		"iam.resource:organization-manager.organization/org2#user@iam.userAccount:user2",
	)
	return a
}

// lacks fails the test unless a call was refused for want of a permission on a
// resource, and both are named.
func lacks(t *testing.T, err error, permission string, on *pb.Resource) {
	t.Helper()
	st := status.Convert(err)
	info := detail[*errdetails.ErrorInfo](st)
	name := on.GetKind() + "/" + on.GetId()
	if st.Code() != codes.PermissionDenied || info.GetReason() != "PERMISSION_DENIED" ||
		info.GetMetadata()["permission"] != permission || info.GetMetadata()["resource"] != name ||
		!strings.Contains(st.Message(), permission) || !strings.Contains(st.Message(), name) {
		t.Errorf("got %v %v, want PermissionDenied for want of %s on %s", err, info, permission, name)
	}
}
