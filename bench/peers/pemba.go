package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pemba-authz/pemba/bench"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// pembaServer keeps a population in a tenant of its own.
type pembaServer struct {
	conns  []*grpc.ClientConn
	level  *pb.Consistency
	tenant string // "" = none installed
}

func openPemba(addr, token string, connections int, c consistency) (*pembaServer, error) {
	conns, err := dial(addr, token, connections)
	if err != nil {
		return nil, err
	}
	s := &pembaServer{conns: conns, level: &pb.Consistency{Level: &pb.Consistency_Any{Any: &pb.Consistency_AnyLevel{}}}}
	if c == full {
		s.level = &pb.Consistency{Level: &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}}
	}
	return s, nil
}

func (s *pembaServer) install(ctx context.Context, p *bench.Population) (time.Duration, error) {
	if err := s.remove(ctx); err != nil {
		return 0, err
	}
	name := "bench-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := pb.NewTenantServiceClient(s.conns[0]).CreateTenant(ctx, &pb.CreateTenantRequest{Name: name}); err != nil {
		return 0, fmt.Errorf("create tenant %s: %w", name, err)
	}
	s.tenant = name
	installed, err := p.Install(ctx, s.conns[0], name)
	return time.Duration(installed.Seconds * float64(time.Second)), err
}

func (s *pembaServer) remove(ctx context.Context) error {
	if s.tenant == "" {
		return nil
	}
	_, err := pb.NewTenantServiceClient(s.conns[0]).DeleteTenant(ctx, &pb.DeleteTenantRequest{Name: s.tenant})
	if err != nil {
		return fmt.Errorf("delete tenant %s: %w", s.tenant, err)
	}
	s.tenant = ""
	return nil
}

func (s *pembaServer) close() { closeAll(s.conns) }

func (s *pembaServer) clients() []bench.Client {
	var all []bench.Client
	for _, conn := range s.conns {
		all = append(all, &pembaClient{s, pb.NewPermissionServiceClient(conn), pb.NewTupleServiceClient(conn)})
	}
	return all
}

type pembaClient struct {
	*pembaServer
	permissions pb.PermissionServiceClient
	tuples      pb.TupleServiceClient
}

// allowed is whether a decision is allowed. No workload has caveats, so that a
// conditional one is an error.
func allowed(d pb.Decision) (bool, error) {
	if d != pb.Decision_DECISION_ALLOWED && d != pb.Decision_DECISION_DENIED {
		return false, fmt.Errorf("the decision is %s", d)
	}
	return d == pb.Decision_DECISION_ALLOWED, nil
}

func (c *pembaClient) Check(q bench.Question) func(context.Context) (bool, error) {
	request := q.Request(c.tenant)
	request.Consistency = c.level
	return func(ctx context.Context) (bool, error) {
		answer, err := c.permissions.Check(ctx, request)
		if err != nil {
			return false, err
		}
		return allowed(answer.GetDecision())
	}
}

func (c *pembaClient) Batch(questions []bench.Question) func(context.Context) ([]bool, error) {
	request := &pb.BatchCheckRequest{Tenant: c.tenant, Consistency: c.level}
	for _, q := range questions {
		one := q.Request("")
		request.Items = append(request.Items, &pb.BatchCheckItem{Object: one.Object, Permission: one.Permission, Subject: one.Subject})
	}
	return func(ctx context.Context) ([]bool, error) {
		answer, err := c.permissions.BatchCheck(ctx, request)
		if err != nil {
			return nil, err
		}
		var all []bool
		for _, r := range answer.GetResults() {
			if e := r.GetError(); e != nil {
				return nil, status.Error(codes.Code(e.GetCode()), e.GetMessage())
			}
			one, err := allowed(r.GetDecision())
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		return all, nil
	}
}

func (c *pembaClient) ListObjects(q bench.Question) func(context.Context, func(string)) error {
	one := q.Request(c.tenant)
	request := &pb.ListObjectsRequest{Tenant: c.tenant, Type: q.Object.Type, Permission: q.Permission, Subject: one.Subject, Consistency: c.level}
	return func(ctx context.Context, yield func(string)) error {
		stream, err := c.permissions.ListObjects(ctx, request)
		if err != nil {
			return err
		}
		return readStream(stream, func(m *pb.ListObjectsResponse) error { return listedIDs(m.GetObjects(), yield) })
	}
}

func (c *pembaClient) ListSubjects(q bench.Question) func(context.Context, func(string)) error {
	one := q.Request(c.tenant)
	request := &pb.ListSubjectsRequest{Tenant: c.tenant, Object: one.Object, Permission: q.Permission, SubjectType: q.Subject.Type, Consistency: c.level}
	return func(ctx context.Context, yield func(string)) error {
		stream, err := c.permissions.ListSubjects(ctx, request)
		if err != nil {
			return err
		}
		return readStream(stream, func(m *pb.ListSubjectsResponse) error { return listedIDs(m.GetSubjects(), yield) })
	}
}

// listedIDs yields the ids of a part of a list.
func listedIDs[R interface {
	GetId() string
	GetDecision() pb.Decision
	GetError() *pb.Error
}](part []R, yield func(string)) error {
	for _, one := range part {
		if one.GetDecision() != pb.Decision_DECISION_ALLOWED {
			return fmt.Errorf("%s is listed with %s %s", one.GetId(), one.GetDecision(), one.GetError().GetMessage())
		}
		yield(one.GetId())
	}
	return nil
}

// readStream reads a stream to its end.
func readStream[M any](stream interface{ Recv() (*M, error) }, each func(*M) error) error {
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(message); err != nil {
			return err
		}
	}
}

func (c *pembaClient) Write(touch, remove []tuple.Tuple) func(context.Context) error {
	request := &pb.WriteRequest{Tenant: c.tenant}
	for _, t := range touch {
		request.Updates = append(request.Updates, pembaUpdate(pb.Update_OPERATION_TOUCH, t))
	}
	for _, t := range remove {
		request.Updates = append(request.Updates, pembaUpdate(pb.Update_OPERATION_DELETE, t))
	}
	return func(ctx context.Context) error {
		_, err := c.tuples.Write(ctx, request)
		return err
	}
}

func pembaUpdate(op pb.Update_Operation, t tuple.Tuple) *pb.Update {
	return &pb.Update{Operation: op, Tuple: &pb.Tuple{
		Object:   &pb.Object{Type: t.Object.Type, Id: t.Object.ID},
		Relation: t.Relation,
		Subject:  &pb.Subject{Type: t.Subject.Type, Id: t.Subject.ID, Relation: t.Subject.Relation},
	}}
}
