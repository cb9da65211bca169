package iam

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// 1.5.2: a cloud and an organization keep an owner, whatever way the last one
// would go. Each way is free while there is another one.
func TestEscalation_LeavesAnOwner(t *testing.T) {
	w := openStage(t, false)
	folder := response[*resv1.Folder](t, must(w.folders.Create(w.ctx, &resv1.CreateFolderRequest{CloudId: w.CloudID, Name: "second"}))(t)).GetId()
	inSecond := func(name string) string {
		op := must(w.accounts.Create(w.ctx, &iamv1.CreateServiceAccountRequest{FolderId: folder, Name: name}))(t)
		return response[*iamv1.ServiceAccount](t, op).GetId()
	}
	last := inSecond("last")
	must(w.bind(w.ctx, w.cloud(), plusBinding(core.CloudOwner, "serviceAccount", last)))(t)
	lord := w.as(t, w.token(t, w.newKey(t, last)))
	group := w.group(t, "owners")
	if err := w.join(w.ctx, group, w.robot); err != nil {
		t.Fatal(err)
	}
	must(w.bind(lord, w.cloud(), plusBinding(core.CloudOwner, "group", group)))(t)
	must(w.bind(lord, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", w.AccountID)))(t) // now there is but the last one, and a group
	expiring := func() error {
		return only(w.accounts.Update(lord, &iamv1.UpdateServiceAccountRequest{ServiceAccountId: last, ExpiresAt: timestamppb.New(time.Now().Add(time.Hour)), UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"expires_at"}}}))
	}
	must(w.bind(w.ctx, w.cloud(), plusBinding("admin", "serviceAccount", last)))(t)
	ways := map[string]func() error{
		"revoke": func() error {
			return only(w.bind(lord, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", last)))
		},
		"set": func() error {
			return only(w.clouds.SetAccessBindings(lord, &access.SetAccessBindingsRequest{ResourceId: w.CloudID, AccessBindings: []*access.AccessBinding{binding(core.CloudOwner, "group", group)}}))
		},
		"set nothing": func() error {
			return only(w.clouds.SetAccessBindings(lord, &access.SetAccessBindingsRequest{ResourceId: w.CloudID}))
		},
		"suspend": func() error {
			return only(w.accounts.Suspend(lord, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: last}))
		},
		"let it expire": expiring,
		"delete the account": func() error {
			return only(w.accounts.Delete(lord, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: last}))
		},
		"delete its folder": func() error {
			return only(w.folders.Delete(lord, &resv1.DeleteFolderRequest{FolderId: folder, DeleteAfter: timestamppb.New(time.Unix(1, 0))}))
		},
		"delete its folder later": func() error { return only(w.folders.Delete(lord, &resv1.DeleteFolderRequest{FolderId: folder})) },
	}
	for name, way := range ways {
		if err := way(); reasonless(err) != "FailedPrecondition" {
			t.Errorf("%s: %v", name, err)
		}
	}
	rival, _ := w.someone(t, "rival")
	must(w.bind(lord, w.cloud(), plusBinding(core.CloudOwner, "serviceAccount", rival)))(t)
	if err := expiring(); err != nil {
		t.Errorf("with another owner: %v", err)
	}
	must(w.bind(lord, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", last)))(t)

	// The organization's.
	_, err := w.accounts.Delete(w.ctx, &iamv1.DeleteServiceAccountRequest{ServiceAccountId: w.AccountID})
	refused(t, err, "FailedPrecondition LAST_OWNER")
	_, err = w.orgs.SetAccessBindings(w.ctx, &access.SetAccessBindingsRequest{ResourceId: w.OrganizationID})
	refused(t, err, "FailedPrecondition LAST_OWNER")
	_, err = w.clouds.Delete(w.ctx, &resv1.DeleteCloudRequest{CloudId: w.CloudID})
	refused(t, err, "FailedPrecondition LAST_OWNER")
}

// A user who is the last owner stays, too.
func TestEscalation_LeavesAnOwnerWhoIsAUser(t *testing.T) {
	w := openStage(t, false)
	ann := w.user(t, "ann")
	must(w.bind(w.ctx, w.cloud(), plusBinding(core.CloudOwner, "userAccount", ann), minusBinding(core.CloudOwner, "serviceAccount", w.AccountID)))(t)
	_, err := w.members.DeleteMembership(w.ctx, &orgv1.DeleteMembershipRequest{OrganizationId: w.OrganizationID, SubjectId: ann})
	lacks(t, err, core.CloudOwner, w.cloud()) // he is an owner of the organization only
	bob := w.user(t, "bob")
	must(w.members.DeleteMembership(w.ctx, &orgv1.DeleteMembershipRequest{OrganizationId: w.OrganizationID, SubjectId: bob}))(t)
}

// Of two who revoke each other's ownership, the last two there are, one fails.
func TestEscalation_RacingRevocationsOfTheLastTwoOwners(t *testing.T) {
	w := openStage(t, false)
	one, oneContext := w.someone(t, "one", given{core.CloudOwner, w.cloud()})
	two, twoContext := w.someone(t, "two", given{core.CloudOwner, w.cloud()})
	must(w.bind(w.ctx, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", w.AccountID)))(t)
	const rounds = 40
	lost := map[string]int{}
	for range rounds {
		var wg sync.WaitGroup
		errs := make([]error, 4)
		race := func(i int, call func() error) { wg.Go(func() { errs[i] = call() }) }
		race(0, func() error {
			return only(w.bind(oneContext, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", two)))
		})
		race(1, func() error {
			return only(w.bind(twoContext, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", one)))
		})
		race(2, func() error {
			return only(w.clouds.SetAccessBindings(oneContext, &access.SetAccessBindingsRequest{ResourceId: w.CloudID, AccessBindings: []*access.AccessBinding{binding(core.CloudOwner, "serviceAccount", one)}}))
		})
		race(3, func() error {
			return only(w.bind(oneContext, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", one)))
		})
		wg.Wait()
		left := w.ownersOf(t, w.cloud())
		if len(left) == 0 {
			t.Fatal("no owner is left: ", errs)
		}
		for _, err := range errs {
			lost[reasonless(err)]++
		}
		again := map[string]context.Context{one: oneContext, two: twoContext}[left[0]]
		must(w.bind(again, w.cloud(), plusBinding(core.CloudOwner, "serviceAccount", one), plusBinding(core.CloudOwner, "serviceAccount", two)))(t)
	}
	for code := range lost {
		if code != "OK" && code != "PermissionDenied" && code != "FailedPrecondition" {
			t.Errorf("%v", lost)
		}
	}
	t.Log(lost)
}

// So with other ways to end what somebody is: of two who end each other one fails.
func TestEscalation_RacingSuspensionAndRevocation(t *testing.T) {
	w := openStage(t, false)
	one, oneContext := w.someone(t, "one", given{core.CloudOwner, w.cloud()})
	two, twoContext := w.someone(t, "two", given{core.CloudOwner, w.cloud()})
	must(w.bind(w.ctx, w.cloud(), plusBinding("admin", "serviceAccount", w.AccountID), minusBinding(core.CloudOwner, "serviceAccount", w.AccountID)))(t)
	for range 25 {
		var wg sync.WaitGroup
		var revoked, suspended error
		wg.Go(func() {
			revoked = only(w.bind(oneContext, w.cloud(), minusBinding(core.CloudOwner, "serviceAccount", two)))
		})
		wg.Go(func() {
			suspended = only(w.accounts.Suspend(twoContext, &iamv1.SuspendServiceAccountRequest{ServiceAccountId: one}))
		})
		wg.Wait()
		if (revoked == nil) == (suspended == nil) {
			t.Fatalf("revoked: %v, suspended: %v", revoked, suspended)
		}
		if revoked == nil {
			must(w.bind(oneContext, w.cloud(), plusBinding(core.CloudOwner, "serviceAccount", two)))(t)
		} else {
			must(w.accounts.Reactivate(twoContext, &iamv1.ReactivateServiceAccountRequest{ServiceAccountId: one}))(t)
		}
	}
}

func (w *stage) ownersOf(t *testing.T, on *pb.Resource) (ids []string) {
	t.Helper()
	for _, b := range must(w.admin.ListAccessBindings(w.ctx, &pb.ListAccessBindingsRequest{Resource: on}))(t).GetAccessBindings() {
		if b.GetRoleId() == core.CloudOwner {
			ids = append(ids, b.GetSubject().GetId())
		}
	}
	return ids
}

// 1.5.3, the older rule, as an option: nobody grants what he does not hold.
func TestEscalation_StrictlyNobodyGrantsMoreThanHeHolds(t *testing.T) {
	w := openStage(t, true)
	id, _ := w.someone(t, "somebody")
	_, iamAdmin := w.someone(t, "iam.admin", given{"iam.admin", w.folder()})
	_, admin := w.someone(t, "admin", given{"admin", w.folder()})
	group := w.group(t, "computers")
	must(w.bind(w.ctx, w.folder(), plusBinding("compute.editor", "group", group)))(t)
	_, keeper := w.someone(t, "keeper", given{"organization-manager.groups.memberAdmin", resource(core.GroupKind, group)})
	for role, grants := range map[string]bool{"iam.serviceAccounts.user": true, "iam.editor": true, "compute.editor": false, "editor": false, "admin": false, "viewer": false} {
		err := only(w.bind(iamAdmin, w.folder(), plusBinding(role, "serviceAccount", id)))
		if grants != (err == nil) || err != nil && reasonless(err) != "PermissionDenied" {
			t.Errorf("%s: %v", role, err)
		}
		if err := only(w.bind(admin, w.folder(), plusBinding(role, "serviceAccount", id))); err != nil {
			t.Errorf("%s: an admin: %v", role, err)
		}
	}
	if code := reasonless(w.join(keeper, group, w.robot)); code != "PermissionDenied" {
		t.Errorf("into a group that has more: %s", code)
	}
	if err := w.join(w.ctx, group, w.robot); err != nil {
		t.Error(err)
	}
}
