package iam

import (
	"context"
	"time"

	"github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/authz"
	core "github.com/pemba-authz/pemba/iam"
)

// operations serves operation.OperationService.
func (d *door) operations() Mounted {
	return d.service("yandex.cloud.operation.OperationService", "yandex/cloud/operation/operation_service.proto",
		rpc("Get", func(ctx context.Context, call *core.Call, r *operation.GetOperationRequest) (*operation.Operation, error) {
			op, err := d.iam.Operation(ctx, call, r.GetOperationId())
			return operationOf(call, op, err)
		}),
		rpc("Cancel", func(ctx context.Context, call *core.Call, r *operation.CancelOperationRequest) (*operation.Operation, error) {
			op, err := d.iam.CancelOperation(ctx, call, r.GetOperationId())
			return operationOf(call, op, err)
		}),
	)
}

// operationOf translates the outcome of a change.
func operationOf(call *core.Call, op *core.Operation, err error) (*operation.Operation, error) {
	if err != nil {
		return nil, err
	}
	if op.Token != "" {
		call.Seen = op.Token
	}
	return protoOperation(op)
}

func protoOperation(op *core.Operation) (*operation.Operation, error) {
	said := outcomeOf(op)
	out := &operation.Operation{
		Id: op.ID, Description: op.Description, CreatedAt: protoTime(op.CreatedAt), CreatedBy: op.CreatedBy,
		ModifiedAt: protoTime(op.ModifiedAt), Done: op.Done, Metadata: said.metadata,
	}
	switch {
	case !op.Done:
		return out, nil
	case op.Canceled:
		out.Result = &operation.Operation_Error{Error: &status.Status{Code: int32(code.Code_CANCELLED), Message: "the operation was canceled before it began"}}
		return out, nil
	}
	response, err := anypb.New(said.response)
	if err != nil {
		return nil, internal("encode an operation's response", err)
	}
	out.Result = &operation.Operation_Response{Response: response}
	return out, nil
}

func protoOperations(ops []*core.Operation) ([]*operation.Operation, error) {
	return each(ops, protoOperation)
}

// operationsOn answers a request for a resource's operations.
func (d *door) operationsOn(ctx context.Context, call *core.Call, kind, id string, r paged) ([]*operation.Operation, string, error) {
	ops, next, err := d.iam.Operations(ctx, call, core.Resource{Kind: kind, ID: id}, pageIn(r))
	if err != nil {
		return nil, "", err
	}
	out, err := protoOperations(ops)
	return out, next, err
}

// paged is a request for a page.
type paged interface {
	GetPageSize() int64
	GetPageToken() string
}

func pageIn(r paged) core.Page { return core.Page{Size: r.GetPageSize(), Token: r.GetPageToken()} }

// each translates a slice.
func each[A, B any](in []A, translate func(A) (B, error)) ([]B, error) {
	out := make([]B, 0, len(in))
	for _, a := range in {
		b, err := translate(a)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// all is each for what cannot fail.
func all[A, B any](in []A, translate func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, translate(a))
	}
	return out
}

// protoTime translates Unix nanoseconds, 0 = none.
func protoTime(ns int64) *timestamppb.Timestamp {
	if ns == 0 {
		return nil
	}
	return timestamppb.New(time.Unix(0, ns))
}

// timeOf is the contrary of protoTime. Requests hold no times past 2105.
func timeOf(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.AsTime().UnixNano()
}

func internal(what string, err error) *authz.Error {
	return &authz.Error{Code: authz.Internal, Reason: "INTERNAL", Message: what, Err: err}
}
