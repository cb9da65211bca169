package iam

import (
	"context"

	iamv1 "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	core "github.com/pemba-authz/pemba/iam"
)

// analyzer serves iam.v1.AccessAnalyzerService.
func (d *door) analyzer() Mounted {
	return d.service("yandex.cloud.iam.v1.AccessAnalyzerService", "yandex/cloud/iam/v1/access_analyzer_service.proto",
		rpc("ListSubjectAccessBindings", func(ctx context.Context, call *core.Call, r *iamv1.ListSubjectAccessBindingsRequest) (*iamv1.ListSubjectAccessBindingsResponse, error) {
			found, next, err := d.iam.SubjectBindings(ctx, call, r.GetSubjectId(), r.GetOrganizationId(), pageIn(r))
			return &iamv1.ListSubjectAccessBindingsResponse{SubjectAccessBindings: all(found, protoBindingAt), NextPageToken: next}, err
		}))
}

func protoBindingAt(b core.BindingAt) *iamv1.SubjectAccessBinding {
	return &iamv1.SubjectAccessBinding{
		RoleId: b.RoleID, Resource: &iamv1.Resource{Id: b.Resource.ID, Type: b.Resource.Kind}, SubjectId: b.Subject.ID,
	}
}
