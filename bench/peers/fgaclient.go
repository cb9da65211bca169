package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	fga "github.com/openfga/api/proto/openfga/v1"

	"github.com/pemba-authz/pemba/bench"
	"github.com/pemba-authz/pemba/tuple"
)

type fgaClient struct {
	*openFGA
	api fga.OpenFGAServiceClient
}

func fgaKey(q bench.Question) *fga.CheckRequestTupleKey {
	return &fga.CheckRequestTupleKey{User: q.Subject.String(), Relation: q.Permission, Object: q.Object.String()}
}

func (c *fgaClient) Check(q bench.Question) func(context.Context) (bool, error) {
	request := &fga.CheckRequest{StoreId: c.store, AuthorizationModelId: c.model, TupleKey: fgaKey(q), Consistency: c.level}
	return func(ctx context.Context) (bool, error) {
		answer, err := c.api.Check(ctx, request)
		return answer.GetAllowed(), err
	}
}

func (c *fgaClient) Batch(questions []bench.Question) func(context.Context) ([]bool, error) {
	request := &fga.BatchCheckRequest{StoreId: c.store, AuthorizationModelId: c.model, Consistency: c.level}
	for i, q := range questions {
		request.Checks = append(request.Checks, &fga.BatchCheckItem{TupleKey: fgaKey(q), CorrelationId: strconv.Itoa(i)})
	}
	return func(ctx context.Context) ([]bool, error) {
		answer, err := c.api.BatchCheck(ctx, request)
		if err != nil {
			return nil, err
		}
		all := make([]bool, len(request.Checks))
		for i := range all {
			one, ok := answer.GetResult()[strconv.Itoa(i)]
			switch {
			case !ok:
				return nil, fmt.Errorf("no answer to the question %d of a batch", i)
			case one.GetError() != nil:
				return nil, errors.New(one.GetError().GetMessage())
			}
			all[i] = one.GetAllowed()
		}
		return all, nil
	}
}

// ListObjects streams, because the unary list ends after a number of results that
// the server's configuration says.
func (c *fgaClient) ListObjects(q bench.Question) func(context.Context, func(string)) error {
	request := &fga.StreamedListObjectsRequest{
		StoreId: c.store, AuthorizationModelId: c.model, Type: q.Object.Type, Relation: q.Permission,
		User: q.Subject.String(), Consistency: c.level,
	}
	return func(ctx context.Context, yield func(string)) error {
		stream, err := c.api.StreamedListObjects(ctx, request)
		if err != nil {
			return err
		}
		return readStream(stream, func(m *fga.StreamedListObjectsResponse) error {
			_, id, _ := strings.Cut(m.GetObject(), ":")
			yield(id)
			return nil
		})
	}
}

func (c *fgaClient) ListSubjects(q bench.Question) func(context.Context, func(string)) error {
	request := &fga.ListUsersRequest{
		StoreId: c.store, AuthorizationModelId: c.model, Relation: q.Permission, Consistency: c.level,
		Object: &fga.Object{Type: q.Object.Type, Id: q.Object.ID}, UserFilters: []*fga.UserTypeFilter{{Type: q.Subject.Type}},
	}
	return func(ctx context.Context, yield func(string)) error {
		answer, err := c.api.ListUsers(ctx, request)
		if err != nil {
			return err
		}
		for _, u := range answer.GetUsers() {
			if u.GetObject() == nil {
				return fmt.Errorf("%s is listed, which is not one user", u)
			}
			yield(u.GetObject().GetId())
		}
		return nil
	}
}

func (c *fgaClient) Write(touch, remove []tuple.Tuple) func(context.Context) error {
	request := &fga.WriteRequest{StoreId: c.store, AuthorizationModelId: c.model}
	if len(touch) > 0 {
		request.Writes = &fga.WriteRequestWrites{OnDuplicate: "ignore"} // touched, not created
	}
	for _, t := range touch {
		request.Writes.TupleKeys = append(request.Writes.TupleKeys,
			&fga.TupleKey{User: t.Subject.String(), Relation: t.Relation, Object: t.Object.String()})
	}
	if len(remove) > 0 {
		request.Deletes = &fga.WriteRequestDeletes{OnMissing: "ignore"} // what is cleaned up may not be there
	}
	for _, t := range remove {
		request.Deletes.TupleKeys = append(request.Deletes.TupleKeys,
			&fga.TupleKeyWithoutCondition{User: t.Subject.String(), Relation: t.Relation, Object: t.Object.String()})
	}
	return func(ctx context.Context) error {
		_, err := c.api.Write(ctx, request)
		return err
	}
}
