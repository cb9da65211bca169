package iam

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/pemba-authz/pemba/iam/credential"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// failed fails the test unless a call that native's guard stands around has
// failed in a way, as "CODE REASON".
func failed(t *testing.T, err error, want string) {
	t.Helper()
	st := status.Convert(err)
	if got := st.Code().String() + " " + detail[*errdetails.ErrorInfo](st).GetReason(); got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func TestSetup_AnswersARepetitionAsBefore(t *testing.T) {
	s := openOwn(t)
	_, public := sharedKey()
	again := must(s.setup.Initialize(s.service, &pb.InitializeRequest{PublicKey: public}))(t)
	want := &pb.InitializeResponse{OrganizationId: s.OrganizationID, CloudId: s.CloudID, FolderId: s.FolderID, ServiceAccountId: s.AccountID, KeyId: s.KeyID}
	if diff := cmp.Diff(want, again, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestSetup_IsDoneOnce(t *testing.T) {
	s := openOwn(t)
	_, public, err := credential.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.setup.Initialize(s.service, &pb.InitializeRequest{PublicKey: public})
	failed(t, err, "FailedPrecondition ALREADY_INITIALIZED")
}

func TestSetup_NeedsTheServersKey(t *testing.T) {
	s := openOwn(t)
	_, err := s.setup.Initialize(s.ctx, &pb.InitializeRequest{}) // an IAM token is no server's key
	failed(t, err, "Unauthenticated WRONG_KEY")
}

func TestSetup_SaysThatThereIsNoMasterKey(t *testing.T) {
	s := dialOwn(t, serveOwn(t, newEngine(t), OwnWithout(Config{Log: discard})))
	_, err := s.setup.Initialize(s.service, &pb.InitializeRequest{})
	failed(t, err, "FailedPrecondition NO_MASTER_KEY")
}
