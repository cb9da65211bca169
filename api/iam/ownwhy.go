package iam

import (
	"context"

	core "github.com/pemba-authz/pemba/iam"
	pb "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// asked returns whom a question is about: the caller, unless it says so.
func (o own) asked(ctx context.Context, call *core.Call, s *pb.Subject) (core.Subject, error) {
	if s != nil {
		return ownSubject(s), nil
	}
	caller, err := o.iam.Authenticate(ctx, call.Token, call.Consistency)
	if err != nil {
		return core.Subject{}, err
	}
	return caller.Subject, nil
}

func (o own) why(ctx context.Context, call *core.Call, r *pb.WhyRequest) (*pb.WhyResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	who, err := o.asked(ctx, call, r.GetSubject())
	if err != nil {
		return nil, err
	}
	why, err := o.iam.Why(ctx, call, who, r.GetPermission(), on)
	if err != nil {
		return nil, err
	}
	return &pb.WhyResponse{Allowed: why.Allowed, Grants: list(why.Ways, pbGrant), ResourcePath: pbResources(why.Path)}, nil
}

func (o own) who(ctx context.Context, call *core.Call, r *pb.WhoRequest) (*pb.WhoResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	subjects, next, err := o.iam.Who(ctx, call, r.GetPermission(), on, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	return &pb.WhoResponse{Subjects: list(subjects, pbSubject), NextPageToken: next}, nil
}

func (o own) what(ctx context.Context, call *core.Call, r *pb.WhatRequest) (*pb.WhatResponse, error) {
	on, err := givenResource("resource", r.GetResource())
	if err != nil {
		return nil, err
	}
	who, err := o.asked(ctx, call, r.GetSubject())
	if err != nil {
		return nil, err
	}
	grants, next, err := o.iam.What(ctx, call, who, on, pageOf(r.GetPageSize(), r.GetPageToken()))
	if err != nil {
		return nil, err
	}
	return &pb.WhatResponse{Grants: list(grants, pbGrant), NextPageToken: next}, nil
}
