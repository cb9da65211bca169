package iam

import (
	"context"
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	core "github.com/pemba-authz/pemba/iam"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// bindingsClient calls the three methods of any service.
type bindingsClient struct {
	conn    *grpc.ClientConn
	service string
}

func (c bindingsClient) invoke(ctx context.Context, method string, r, answer proto.Message) error {
	return c.conn.Invoke(ctx, "/"+c.service+"/"+method, r, answer)
}

func (c bindingsClient) list(ctx context.Context, id string) (*access.ListAccessBindingsResponse, error) {
	out := &access.ListAccessBindingsResponse{}
	return out, c.invoke(ctx, "ListAccessBindings", &access.ListAccessBindingsRequest{ResourceId: id}, out)
}

func (c bindingsClient) set(ctx context.Context, id string, bindings ...*access.AccessBinding) (*operation.Operation, error) {
	out := &operation.Operation{}
	return out, c.invoke(ctx, setBindings, &access.SetAccessBindingsRequest{ResourceId: id, AccessBindings: bindings}, out)
}

func (c bindingsClient) update(ctx context.Context, id string, deltas ...*access.AccessBindingDelta) (*operation.Operation, error) {
	out := &operation.Operation{}
	return out, c.invoke(ctx, updateBindings, &access.UpdateAccessBindingsRequest{ResourceId: id, AccessBindingDeltas: deltas}, out)
}

// registered makes a resource of a kind known, below whatever it may stand in.
func (s *site) registered(t *testing.T, kind string) string {
	t.Helper()
	if id := s.known[kind]; id != "" {
		return id
	}
	k, _ := catalogue.Shipped().Kind(kind)
	parents := map[string]string{core.FolderKind: s.FolderID, core.OrganizationKind: s.OrganizationID, core.CloudKind: s.CloudID}
	in := core.Resource{Kind: k.Parents[0], ID: parents[k.Parents[0]]}
	for _, p := range k.Parents {
		if parents[p] != "" {
			in = core.Resource{Kind: p, ID: parents[p]}
		}
	}
	if in.ID == "" {
		in.ID = s.registered(t, in.Kind)
	}
	id := "r-" + kind[:3] + "-1"
	s.known[kind] = id
	call := &core.Call{Token: s.token(t, s.key)}
	if _, err := s.iam.Register(deadline(t), call, core.Resource{Kind: kind, ID: id}, in, ""); err != nil {
		t.Fatal(kind, err)
	}
	return id
}

func TestBindings_OfEveryKindAreListedSetAndUpdated(t *testing.T) {
	s := open(t)
	robot, _ := s.account(t, "robot")
	other, _ := s.account(t, "other")
	for _, k := range guardedKinds {
		c := bindingsClient{s.conn, "yandex.cloud." + k.service}
		id := s.registered(t, k.kind)
		op, err := c.set(s.ctx, id, binding("viewer", "serviceAccount", robot))
		if err != nil {
			t.Errorf("%s: set: %v", k.kind, err)
			continue
		}
		if k.answer == withDeltas {
			if got := response[*access.AccessBindingsOperationResult](t, op); len(got.GetEffectiveDeltas()) != 1 {
				t.Errorf("%s: set: got %v", k.kind, got)
			}
		} else {
			response[*emptypb.Empty](t, op)
		}
		must(c.update(s.ctx, id, added("editor", "serviceAccount", other)))(t)
		if got := must(c.list(s.ctx, id))(t); len(got.GetAccessBindings()) != 2 {
			t.Errorf("%s: listed %v", k.kind, got)
		}
	}
}

func TestBindings_UpdateTellsWhatHadAnEffect(t *testing.T) {
	s := open(t)
	robot, _ := s.account(t, "robot")
	r := &access.UpdateAccessBindingsRequest{ResourceId: s.FolderID, AccessBindingDeltas: []*access.AccessBindingDelta{
		added("viewer", "serviceAccount", robot),
		{Action: access.AccessBindingAction_REMOVE, AccessBinding: binding("editor", "serviceAccount", robot)},
		added("viewer", "system", "allAuthenticatedUsers"),
	}}
	op := must(s.folders.UpdateAccessBindings(s.ctx, r))(t)
	if got := response[*access.AccessBindingsOperationResult](t, op); len(got.GetEffectiveDeltas()) != 2 {
		t.Errorf("got %v", got)
	}
	if got := meta[*access.UpdateAccessBindingsMetadata](t, op).GetResourceId(); got != s.FolderID {
		t.Errorf("got %q", got)
	}
	op = must(s.folders.SetAccessBindings(s.ctx, &access.SetAccessBindingsRequest{ResourceId: s.FolderID}))(t)
	got := response[*access.AccessBindingsOperationResult](t, op).GetEffectiveDeltas()
	if len(got) != 2 || got[0].GetAction() != access.AccessBindingAction_REMOVE {
		t.Errorf("got %v", got)
	}
}

func TestBindings_OfOrganizationsAreAnsweredWithNothing(t *testing.T) {
	s := open(t)
	robot, _ := s.account(t, "robot")
	r := &access.UpdateAccessBindingsRequest{ResourceId: s.OrganizationID, AccessBindingDeltas: []*access.AccessBindingDelta{added("viewer", "serviceAccount", robot)}}
	response[*emptypb.Empty](t, must(s.orgs.UpdateAccessBindings(s.ctx, r))(t))
	if got := must(s.orgs.ListAccessBindings(s.ctx, &access.ListAccessBindingsRequest{ResourceId: s.OrganizationID}))(t); len(got.GetAccessBindings()) != 2 {
		t.Errorf("listed %v", got)
	}
}

func TestBindings_OfAccountsAndClouds(t *testing.T) {
	s := open(t)
	robot, _ := s.account(t, "robot")
	deltas := []*access.AccessBindingDelta{added("viewer", "serviceAccount", robot)}
	must(s.accounts.UpdateAccessBindings(s.ctx, &access.UpdateAccessBindingsRequest{ResourceId: s.AccountID, AccessBindingDeltas: deltas}))(t)
	must(s.clouds.UpdateAccessBindings(s.ctx, &access.UpdateAccessBindingsRequest{ResourceId: s.CloudID, AccessBindingDeltas: deltas}))(t)
	if got := must(s.accounts.ListAccessBindings(s.ctx, &access.ListAccessBindingsRequest{ResourceId: s.AccountID}))(t); len(got.GetAccessBindings()) != 1 {
		t.Errorf("listed %v", got)
	}
	_, err := s.accounts.SetAccessBindings(s.ctx, &access.SetAccessBindingsRequest{ResourceId: s.FolderID}) // of another kind
	refused(t, err, "NotFound RESOURCE_NOT_FOUND")
}

func TestBindings_Refusals(t *testing.T) {
	s := open(t)
	robot, ctx := s.account(t, "robot")
	s.grant(t, "editor", "serviceAccount", robot)
	update := func(ctx context.Context, b *access.AccessBinding) error {
		_, err := s.folders.UpdateAccessBindings(ctx, &access.UpdateAccessBindingsRequest{
			ResourceId: s.FolderID, AccessBindingDeltas: []*access.AccessBindingDelta{{Action: access.AccessBindingAction_ADD, AccessBinding: b}},
		})
		return err
	}
	refused(t, update(ctx, binding("viewer", "serviceAccount", robot)), "PermissionDenied PERMISSION_DENIED") // 1.3: an editor assigns no roles
	for _, b := range []*access.AccessBinding{
		binding("no.such.role", "serviceAccount", robot), binding("viewer", "martian", robot), binding("viewer", "serviceAccount", "nobody"),
		binding("resource-manager.clouds.owner", "serviceAccount", robot), // 1.5.8: on a cloud only
	} {
		if got := reasonless(update(s.ctx, b)); got != "InvalidArgument" && got != "NotFound" && got != "FailedPrecondition" {
			t.Errorf("%v: got %s", b, got)
		}
	}
	_, err := s.clouds.SetAccessBindings(s.ctx, &access.SetAccessBindingsRequest{ResourceId: s.CloudID})
	if got := reasonless(err); got != "FailedPrecondition" { // 1.5.2: a cloud keeps an owner
		t.Errorf("the last owner: got %v", err)
	}
}

func TestRoles_AreShown(t *testing.T) {
	s := open(t)
	_, ctx := s.account(t, "robot")
	if got := must(s.roles.Get(ctx, &iamv1.GetRoleRequest{RoleId: "viewer"}))(t); got.GetId() != "viewer" || got.GetDescription() == "" {
		t.Errorf("got %v", got)
	}
	_, err := s.roles.Get(ctx, &iamv1.GetRoleRequest{RoleId: "no.such.role"})
	if got := reasonless(err); got != "NotFound" {
		t.Errorf("got %v", err)
	}
	n, page := 0, &iamv1.ListRolesRequest{PageSize: 300}
	for {
		got := must(s.roles.List(ctx, page))(t)
		n += len(got.GetRoles())
		if page.PageToken = got.GetNextPageToken(); page.PageToken == "" {
			break
		}
	}
	if n < 600 {
		t.Errorf("%d roles are listed", n)
	}
}

func TestAnalyzer_ListsTheBindingsOfASubject(t *testing.T) {
	s := open(t)
	robot, _ := s.account(t, "robot")
	s.grant(t, "viewer", "serviceAccount", robot)
	got := must(s.analyzer.ListSubjectAccessBindings(s.ctx, &iamv1.ListSubjectAccessBindingsRequest{SubjectId: robot, OrganizationId: s.OrganizationID}))(t)
	if b := got.GetSubjectAccessBindings(); len(b) != 1 || b[0].GetRoleId() != "viewer" || b[0].GetSubjectId() != robot ||
		b[0].GetResource().GetId() != s.FolderID || b[0].GetResource().GetType() != core.FolderKind {
		t.Errorf("got %v", got)
	}
}
