package iam

import (
	"context"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/access"
	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"

	core "github.com/pemba-authz/pemba/iam"
)

// bindings returns the three methods that every service has whose resources take
// bindings.
func (d *door) bindings(kind string) []method {
	on := func(id string) core.Resource { return core.Resource{Kind: kind, ID: id} }
	return []method{
		rpc("ListAccessBindings", func(ctx context.Context, call *core.Call, r *access.ListAccessBindingsRequest) (*access.ListAccessBindingsResponse, error) {
			found, next, err := d.iam.Bindings(ctx, call, on(r.GetResourceId()), pageIn(r))
			return &access.ListAccessBindingsResponse{AccessBindings: all(found, protoBinding), NextPageToken: next}, err
		}),
		rpc(setBindings, func(ctx context.Context, call *core.Call, r *access.SetAccessBindingsRequest) (*operation.Operation, error) {
			op, err := d.iam.SetBindings(ctx, call, on(r.GetResourceId()), all(r.GetAccessBindings(), bindingOf))
			return operationOf(call, op, err)
		}),
		rpc(updateBindings, func(ctx context.Context, call *core.Call, r *access.UpdateAccessBindingsRequest) (*operation.Operation, error) {
			op, err := d.iam.UpdateBindings(ctx, call, on(r.GetResourceId()), all(r.GetAccessBindingDeltas(), deltaOf))
			return operationOf(call, op, err)
		}),
	}
}

// guarded serves the bindings of a kind whose own service is elsewhere.
func (d *door) guarded(k guardedKind) Mounted {
	return d.service("yandex.cloud."+k.service, "yandex/cloud/"+k.file, d.bindings(k.kind)...)
}

func bindingOf(b *access.AccessBinding) core.Binding {
	return core.Binding{RoleID: b.GetRoleId(), Subject: core.Subject{Type: core.SubjectType(b.GetSubject().GetType()), ID: b.GetSubject().GetId()}}
}

func protoBinding(b core.Binding) *access.AccessBinding {
	return &access.AccessBinding{RoleId: b.RoleID, Subject: &access.Subject{Id: b.Subject.ID, Type: string(b.Subject.Type)}}
}

// deltaOf translates a delta. Its action is one of the two that there are: that
// it is set to one that is known has been checked.
func deltaOf(d *access.AccessBindingDelta) core.BindingDelta {
	return core.BindingDelta{Remove: d.GetAction() == access.AccessBindingAction_REMOVE, Binding: bindingOf(d.GetAccessBinding())}
}

func protoDelta(d core.BindingDelta) *access.AccessBindingDelta {
	action := access.AccessBindingAction_ADD
	if d.Remove {
		action = access.AccessBindingAction_REMOVE
	}
	return &access.AccessBindingDelta{Action: action, AccessBinding: protoBinding(d.Binding)}
}
