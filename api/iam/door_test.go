package iam

import (
	"context"
	"strings"
	"testing"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/endpoint"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// reasonless is how a call failed, without the reason.
func reasonless(err error) string { return status.Code(err).String() }

func TestDoor_NeedsAToken(t *testing.T) {
	s := open(t)
	r := &iamv1.GetServiceAccountRequest{ServiceAccountId: s.AccountID}
	_, err := s.accounts.Get(deadline(t), r)
	refused(t, err, "Unauthenticated NO_TOKEN")
	_, err = s.accounts.Get(metadata.AppendToOutgoingContext(deadline(t), "authorization", "Api-Key AQVNx"), r)
	refused(t, err, "Unauthenticated INVALID_AUTHORIZATION")
	token := s.token(t, s.key)
	tampered := []byte(token)
	tampered[len(token)-10] ^= 1 // from one letter, digit or '-' to another or to what no token has
	_, err = s.accounts.Get(s.as(t, string(tampered)), r)
	refused(t, err, "Unauthenticated INVALID_TOKEN")
	_, err = s.accounts.Create(deadline(t), &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "a"})
	refused(t, err, "Unauthenticated NO_TOKEN")
}

func TestDoor_BeforeAnOrganizationThereIsNothing(t *testing.T) {
	s := unfounded(t)
	_, err := s.tokens.Create(deadline(t), &iamv1.CreateIamTokenRequest{Identity: &iamv1.CreateIamTokenRequest_Jwt{Jwt: "a.b.c"}})
	refused(t, err, "FailedPrecondition IAM_NOT_INITIALIZED")
	_, err = s.folders.Get(s.as(t, "t1.x"), &resv1.GetFolderRequest{FolderId: "f"})
	refused(t, err, "FailedPrecondition IAM_NOT_INITIALIZED")
	must(s.endpoints.List(deadline(t), &endpoint.ListApiEndpointsRequest{}))(t)
}

func TestDoor_RequestsAreOfABoundedSize(t *testing.T) {
	s := unfounded(t)
	_, err := s.tokens.Revoke(deadline(t), &iamv1.RevokeIamTokenRequest{IamToken: strings.Repeat("x", maxRequest)})
	refused(t, err, "InvalidArgument TOO_LONG")
}

func TestDoor_OtherServicesStillAskForKeys(t *testing.T) {
	s := open(t)
	_, err := pembav1.NewTupleServiceClient(s.conn).Write(s.ctx, &pembav1.WriteRequest{})
	if got := detail[*errdetails.ErrorInfo](status.Convert(err)).GetReason(); got != "WRONG_KEY" {
		t.Errorf("got %v, an IAM token is no key of the server", err)
	}
}

func TestDoor_HealthKnowsTheServices(t *testing.T) {
	s := open(t)
	for _, service := range []string{"yandex.cloud.iam.v1.IamTokenService", "yandex.cloud.compute.v1.InstanceService"} {
		got := must(healthpb.NewHealthClient(s.conn).Check(deadline(t), &healthpb.HealthCheckRequest{Service: service}))(t)
		if got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%s: %v", service, got)
		}
	}
}

func TestDoor_AnswersSayWhichRequestAndView(t *testing.T) {
	s := open(t)
	get := func(id string, pairs ...string) (metadata.MD, error) {
		var headers metadata.MD
		ctx := metadata.AppendToOutgoingContext(s.ctx, pairs...)
		_, err := s.accounts.Get(ctx, &iamv1.GetServiceAccountRequest{ServiceAccountId: id}, grpc.Header(&headers))
		return headers, err
	}
	headers, err := get(s.AccountID, "x-request-id", "mine-1")
	if err != nil || first(headers, "x-request-id") != "mine-1" || first(headers, "pemba-consistency-token") == "" {
		t.Errorf("got %v, %v", headers, err)
	}
	headers, err = get("nobody", "x-request-id", "mine-2")
	if first(headers, "x-request-id") != "mine-2" || first(headers, "pemba-consistency-token") == "" {
		t.Errorf("got %v with %v", headers, err)
	}
	if got := detail[*errdetails.RequestInfo](status.Convert(err)).GetRequestId(); got != "mine-2" {
		t.Errorf("the error names the request %q", got)
	}
}

func TestDoor_ChangesTellTheirView(t *testing.T) {
	s := open(t)
	var headers metadata.MD
	must(s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "robot"}, grpc.Header(&headers)))(t)
	after := "at-least " + first(headers, "pemba-consistency-token")
	ctx := metadata.AppendToOutgoingContext(s.ctx, "pemba-consistency", after)
	if got := must(s.accounts.List(ctx, &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID}))(t); len(got.GetServiceAccounts()) != 2 {
		t.Errorf("%s: listed %v", after, got)
	}
	must(s.accounts.List(metadata.AppendToOutgoingContext(s.ctx, "pemba-consistency", "any"), &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID}))(t)
	_, err := s.accounts.List(metadata.AppendToOutgoingContext(s.ctx, "pemba-consistency", "at-least nonsense"), &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID})
	if reasonless(err) != "InvalidArgument" {
		t.Errorf("got %v", err)
	}
	_, err = s.accounts.List(metadata.AppendToOutgoingContext(s.ctx, "pemba-consistency", "sometimes"), &iamv1.ListServiceAccountsRequest{FolderId: s.FolderID})
	refused(t, err, "InvalidArgument INVALID_FIELD")
}

func TestDoor_RetriesWithAKeyChangeOnce(t *testing.T) {
	s := open(t)
	ctx := metadata.AppendToOutgoingContext(s.ctx, "idempotency-key", "0f0d5c57-7e1f-4a53-9a8e-8a4a8c4a1c11")
	r := &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "robot", Labels: map[string]string{"a": "1", "b": "2", "c": "3"}}
	one, two := must(s.accounts.Create(ctx, r))(t), must(s.accounts.Create(ctx, r))(t)
	if one.GetId() != two.GetId() || response[*iamv1.ServiceAccount](t, two).GetName() != "robot" {
		t.Errorf("got %v, then %v", one, two)
	}
	_, err := s.accounts.Create(ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "other"})
	refused(t, err, "InvalidArgument IDEMPOTENCY_KEY_REUSED")
	_, err = s.folders.Create(ctx, &resv1.CreateFolderRequest{CloudId: s.CloudID, Name: "robot"})
	refused(t, err, "InvalidArgument IDEMPOTENCY_KEY_REUSED")
	_, other := s.account(t, "other")
	_, err = s.accounts.Create(metadata.AppendToOutgoingContext(other, "idempotency-key", "0f0d5c57-7e1f-4a53-9a8e-8a4a8c4a1c11"), r)
	refused(t, err, "PermissionDenied PERMISSION_DENIED") // a key is one caller's
}

func TestDoor_WireLimitsAreToldByField(t *testing.T) {
	s := open(t)
	_, err := s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "robot", Description: strings.Repeat("d", 257)})
	refused(t, err, "InvalidArgument INVALID_FIELD")
	if v := detail[*errdetails.BadRequest](status.Convert(err)).GetFieldViolations(); len(v) != 1 || v[0].GetField() != "description" {
		t.Errorf("got %v", v)
	}
}

func TestOperations_AreFoundAndDone(t *testing.T) {
	s := open(t)
	op := must(s.accounts.Create(s.ctx, &iamv1.CreateServiceAccountRequest{FolderId: s.FolderID, Name: "robot"}))(t)
	got := must(s.ops.Get(s.ctx, &operation.GetOperationRequest{OperationId: op.GetId()}))(t)
	if got.String() != op.String() {
		t.Errorf("got %v, want %v", got, op)
	}
	_, err := s.ops.Cancel(s.ctx, &operation.CancelOperationRequest{OperationId: op.GetId()})
	if reasonless(err) != "FailedPrecondition" {
		t.Errorf("cancel: got %v", err)
	}
	_, err = s.ops.Get(s.ctx, &operation.GetOperationRequest{OperationId: "none"})
	refused(t, err, "NotFound OPERATION_NOT_FOUND")
	_, err = s.ops.Get(s.ctx, &operation.GetOperationRequest{})
	refused(t, err, "InvalidArgument INVALID_FIELD")
	_, ctx := s.account(t, "other")
	_, err = s.ops.Get(ctx, &operation.GetOperationRequest{OperationId: op.GetId()})
	refused(t, err, "PermissionDenied PERMISSION_DENIED")
}

func TestEndpoints_AreThisNode(t *testing.T) {
	s := open(t)
	ctx := deadline(t) // nobody has authenticated
	got := must(s.endpoints.List(ctx, &endpoint.ListApiEndpointsRequest{}))(t)
	seen := map[string]bool{}
	for _, e := range got.GetEndpoints() {
		if e.GetAddress() != here || seen[e.GetId()] {
			t.Errorf("got %v", e)
		}
		seen[e.GetId()] = true
	}
	for _, id := range []string{"iam", "resource-manager", "organization-manager", "operation", "endpoint", "compute", "kms"} {
		if !seen[id] {
			t.Errorf("no %s", id)
		}
	}
	if e := must(s.endpoints.Get(ctx, &endpoint.GetApiEndpointRequest{ApiEndpointId: "iam"}))(t); e.GetAddress() != here || e.GetId() != "iam" {
		t.Errorf("got %v", e)
	}
	_, err := s.endpoints.Get(ctx, &endpoint.GetApiEndpointRequest{ApiEndpointId: "teleport"})
	refused(t, err, "NotFound ENDPOINT_NOT_FOUND")
}

func TestDoor_MethodsThatLackSayWhy(t *testing.T) {
	d := &door{log: discard}
	_, err := d.serve(context.Background(), "/s/M", &lacking("not here", "M")[0], nil)
	if status.Convert(err).Message() != "not here" {
		t.Errorf("got %v", err)
	}
}
