package iam

import (
	"context"
	"fmt"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func ownBinding(b *pb.AccessBinding) core.Binding {
	return core.Binding{RoleID: b.GetRoleId(), Subject: ownSubject(b.GetSubject())}
}

func pbDelta(d core.BindingDelta) *pb.AccessBindingDelta {
	m := &pb.AccessBindingDelta{Action: pb.AccessBindingDelta_ACTION_ADD, AccessBinding: pbBinding(d.Binding)}
	if d.Remove {
		m.Action = pb.AccessBindingDelta_ACTION_REMOVE
	}
	return m
}

// ownDeltas translates deltas; one without an action is none.
func ownDeltas(deltas []*pb.AccessBindingDelta) ([]core.BindingDelta, error) {
	out := make([]core.BindingDelta, len(deltas))
	for i, d := range deltas {
		out[i].Binding = ownBinding(d.GetAccessBinding())
		switch d.GetAction() {
		case pb.AccessBindingDelta_ACTION_ADD:
		case pb.AccessBindingDelta_ACTION_REMOVE:
			out[i].Remove = true
		default:
			return nil, invalid(fmt.Sprintf("access_binding_deltas[%d].action", i), "it is neither ACTION_ADD nor ACTION_REMOVE", "say what to do with the binding")
		}
	}
	return out, nil
}

func (o own) listAccessBindings(ctx context.Context, call *core.Call, r *pb.ListAccessBindingsRequest) (*pb.ListAccessBindingsResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	bindings, next, err := o.iam.Bindings(ctx, call, on, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	return &pb.ListAccessBindingsResponse{AccessBindings: list(bindings, pbBinding), NextPageToken: next}, nil
}

func (o own) setAccessBindings(ctx context.Context, call *core.Call, r *pb.SetAccessBindingsRequest) (*pb.SetAccessBindingsResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	op, err := o.iam.SetBindings(ctx, call, on, list(r.GetAccessBindings(), ownBinding))
	return made(op, err, func(op *core.Operation) *pb.SetAccessBindingsResponse {
		return &pb.SetAccessBindingsResponse{EffectiveDeltas: list(op.Deltas, pbDelta), OperationId: op.ID}
	})
}

func (o own) updateAccessBindings(ctx context.Context, call *core.Call, r *pb.UpdateAccessBindingsRequest) (*pb.UpdateAccessBindingsResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	deltas, err := ownDeltas(r.GetAccessBindingDeltas())
	if err != nil {
		return nil, err
	}
	op, err := o.iam.UpdateBindings(ctx, call, on, deltas)
	return made(op, err, func(op *core.Operation) *pb.UpdateAccessBindingsResponse {
		return &pb.UpdateAccessBindingsResponse{EffectiveDeltas: list(op.Deltas, pbDelta), OperationId: op.ID}
	})
}
