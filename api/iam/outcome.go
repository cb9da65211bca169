package iam

import (
	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	orgv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/organizationmanager/v1"
	resv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	core "github.com/pemba-authz/pemba/iam"
)

// An outcome is how an operation is described and what it is answered with, as
// the method that made it declares in its .proto file.
type outcome struct {
	metadata *anypb.Any    // nil = the vendor's API has no such method
	response proto.Message // once the operation is done
}

// described is an outcome's parts before they are encoded.
type described func(op *core.Operation) (metadata, response proto.Message)

// outcomes has a row for each kind of operation of the vendor's API.
var outcomes = map[string]described{
	"CreateServiceAccount": func(op *core.Operation) (proto.Message, proto.Message) {
		return &iamv1.CreateServiceAccountMetadata{ServiceAccountId: op.Resource.ID}, protoAccount(op.Account)
	},
	"UpdateServiceAccount": func(op *core.Operation) (proto.Message, proto.Message) {
		return &iamv1.UpdateServiceAccountMetadata{ServiceAccountId: op.Resource.ID}, protoAccount(op.Account)
	},
	"DeleteServiceAccount": func(op *core.Operation) (proto.Message, proto.Message) {
		return &iamv1.DeleteServiceAccountMetadata{ServiceAccountId: op.Resource.ID}, &emptypb.Empty{}
	},
	"SuspendServiceAccount": func(op *core.Operation) (proto.Message, proto.Message) {
		return &iamv1.SuspendServiceAccountMetadata{ServiceAccountId: op.Resource.ID}, &iamv1.SuspendServiceAccountResponse{}
	},
	"ReactivateServiceAccount": func(op *core.Operation) (proto.Message, proto.Message) {
		return &iamv1.ReactivateServiceAccountMetadata{ServiceAccountId: op.Resource.ID}, &iamv1.ReactivateServiceAccountResponse{}
	},
	"UpdateKey": func(op *core.Operation) (proto.Message, proto.Message) {
		return &iamv1.UpdateKeyMetadata{KeyId: op.Resource.ID}, protoKey(op.Key)
	},
	"DeleteKey": func(op *core.Operation) (proto.Message, proto.Message) {
		return &iamv1.DeleteKeyMetadata{KeyId: op.Resource.ID}, &emptypb.Empty{}
	},
	"CreateCloud": func(op *core.Operation) (proto.Message, proto.Message) {
		return &resv1.CreateCloudMetadata{CloudId: op.Resource.ID}, protoCloud(op.Cloud)
	},
	"UpdateCloud": func(op *core.Operation) (proto.Message, proto.Message) {
		return &resv1.UpdateCloudMetadata{CloudId: op.Resource.ID}, protoCloud(op.Cloud)
	},
	"DeleteCloud": func(op *core.Operation) (proto.Message, proto.Message) {
		return &resv1.DeleteCloudMetadata{CloudId: op.Resource.ID, DeleteAfter: protoTime(op.DeleteAfter), CancelledAt: canceledAt(op)}, &emptypb.Empty{}
	},
	"CreateFolder": func(op *core.Operation) (proto.Message, proto.Message) {
		return &resv1.CreateFolderMetadata{FolderId: op.Resource.ID}, protoFolder(op.Folder)
	},
	"UpdateFolder": func(op *core.Operation) (proto.Message, proto.Message) {
		return &resv1.UpdateFolderMetadata{FolderId: op.Resource.ID}, protoFolder(op.Folder)
	},
	"DeleteFolder": func(op *core.Operation) (proto.Message, proto.Message) {
		return &resv1.DeleteFolderMetadata{FolderId: op.Resource.ID, DeleteAfter: protoTime(op.DeleteAfter), CancelledAt: canceledAt(op)}, &emptypb.Empty{}
	},
	"UpdateOrganization": func(op *core.Operation) (proto.Message, proto.Message) {
		return &orgv1.UpdateOrganizationMetadata{OrganizationId: op.Resource.ID}, protoOrganization(op.Organization)
	},
	"CreateGroup": func(op *core.Operation) (proto.Message, proto.Message) {
		return &orgv1.CreateGroupMetadata{GroupId: op.Resource.ID}, protoGroup(op.Group)
	},
	"UpdateGroup": func(op *core.Operation) (proto.Message, proto.Message) {
		return &orgv1.UpdateGroupMetadata{GroupId: op.Resource.ID}, protoGroup(op.Group)
	},
	"DeleteGroup": func(op *core.Operation) (proto.Message, proto.Message) {
		return &orgv1.DeleteGroupMetadata{GroupId: op.Resource.ID}, &emptypb.Empty{}
	},
	"UpdateGroupMembers": func(op *core.Operation) (proto.Message, proto.Message) {
		return &orgv1.UpdateGroupMembersMetadata{GroupId: op.Resource.ID}, &emptypb.Empty{}
	},
	"DeleteMembership": func(op *core.Operation) (proto.Message, proto.Message) {
		return &orgv1.DeleteMembershipMetadata{OrganizationId: op.Resource.ID, SubjectId: op.User.ID},
			&orgv1.DeleteMembershipResponse{OrganizationId: op.Resource.ID, SubjectId: op.User.ID}
	},
	setBindings: func(op *core.Operation) (proto.Message, proto.Message) {
		return &access.SetAccessBindingsMetadata{ResourceId: op.Resource.ID}, bindingsResponse(op)
	},
	updateBindings: func(op *core.Operation) (proto.Message, proto.Message) {
		return &access.UpdateAccessBindingsMetadata{ResourceId: op.Resource.ID}, bindingsResponse(op)
	},
}

// canceledAt returns when a deletion was canceled, nil = it was not. Nobody
// keeps by whom, but the audit trail.
func canceledAt(op *core.Operation) *timestamppb.Timestamp {
	if !op.Canceled {
		return nil
	}
	return protoTime(op.ModifiedAt)
}

// Kinds of operations that change bindings.
const (
	setBindings    = "SetAccessBindings"
	updateBindings = "UpdateAccessBindings"
)

// outcomeOf returns what the API says of an operation.
func outcomeOf(op *core.Operation) outcome {
	describe, ok := outcomes[op.Kind]
	if !ok {
		return outcome{response: &emptypb.Empty{}} // one of our own API
	}
	if own := ownMetadata(op); own != nil {
		return outcome{own, &emptypb.Empty{}}
	}
	metadata, response := describe(op)
	packed, err := anypb.New(metadata)
	if err != nil {
		packed = nil // a message of plain ids can be encoded
	}
	return outcome{packed, response}
}

// bindingAnswers is by kind of resource what changes of bindings are answered with.
var bindingAnswers = func() map[string]bindingsAnswer {
	answers := map[string]bindingsAnswer{core.OrganizationKind: withNothing}
	for _, k := range guardedKinds {
		answers[k.kind] = k.answer
	}
	return answers
}()

func bindingsResponse(op *core.Operation) proto.Message {
	if bindingAnswers[op.Resource.Kind] != withDeltas {
		return &emptypb.Empty{}
	}
	return &access.AccessBindingsOperationResult{EffectiveDeltas: all(op.Deltas, protoDelta)}
}

// ownMetadata describes changes of bindings for the two services that declare
// metadata of their own; their packages are not ours to link for that.
func ownMetadata(op *core.Operation) *anypb.Any {
	prefix := map[string]string{setBindings: "Set", updateBindings: "Update"}[op.Kind]
	name := map[bindingsAnswer]string{ofCommunities: "Community", ofProjects: "Project"}[bindingAnswers[op.Resource.Kind]]
	if prefix == "" || name == "" {
		return nil
	}
	id := protowire.AppendTag(nil, 1, protowire.BytesType) // community_id, project_id
	return &anypb.Any{
		TypeUrl: "type.googleapis.com/yandex.cloud.datasphere.v2." + prefix + name + "AccessBindingsMetadata",
		Value:   protowire.AppendString(id, op.Resource.ID),
	}
}
