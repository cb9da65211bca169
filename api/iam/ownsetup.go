package iam

import (
	"context"
	"errors"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// setupServer is pemba.iam.v1.SetupService. Its callers are admitted by the
// server's keys.
type setupServer struct {
	pb.UnimplementedSetupServiceServer
	door *door
}

func (d *door) setupService() Mounted {
	return Mounted{Desc: &pb.SetupService_ServiceDesc, Impl: &setupServer{door: d}}
}

// Initialize makes the first of everything.
func (s *setupServer) Initialize(ctx context.Context, r *pb.InitializeRequest) (*pb.InitializeResponse, error) {
	if s.door.iam == nil {
		return nil, &authz.Error{Code: authz.FailedPrecondition, Reason: "NO_MASTER_KEY", Message: "this node has no IAM layer, which needs a master key",
			Fix: `make one with "pemba iam master-key" and start every node with --iam-master-key-file`}
	}
	ctx, cancel := s.door.bounded(ctx)
	defer cancel()
	f, err := s.door.iam.Found(ctx, authz.Caller{Name: "setup", Address: addressOf(ctx)}, core.FoundRequest{
		OrganizationName: r.GetOrganizationName(), CloudName: r.GetCloudName(), FolderName: r.GetFolderName(),
		AccountName: r.GetServiceAccountName(), PublicPEM: r.GetPublicKey(),
	})
	if err != nil {
		return before(err)
	}
	return &pb.InitializeResponse{
		OrganizationId: f.OrganizationID, CloudId: f.CloudID, FolderId: f.FolderID,
		ServiceAccountId: f.AccountID, KeyId: f.KeyID, Token: f.Token,
	}, nil
}

// before is the answer that was given to the same request before, if err is that
// there was one.
func before(err error) (*pb.InitializeResponse, error) {
	var e *authz.Error
	if !errors.As(err, &e) || e.Reason != "ALREADY_INITIALIZED" || e.Metadata["key_id"] == "" {
		return nil, err
	}
	return &pb.InitializeResponse{
		OrganizationId: e.Metadata["organization_id"], CloudId: e.Metadata["cloud_id"], FolderId: e.Metadata["folder_id"],
		ServiceAccountId: e.Metadata["service_account_id"], KeyId: e.Metadata["key_id"],
	}, nil
}
