package main

import (
	"context"
	"fmt"
	"time"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

const (
	wellEvery = 200 * time.Millisecond // how often a cluster is asked whether it is well
	wellLag   = 1000                   // revisions behind which a node is not well
)

// unwell says what a cluster lacks in one node's sight of it, "" = nothing. It is
// to have that many voters, 0 = any number.
func unwell(r *pb.StatusResponse, voters int) string {
	switch {
	case !r.GetReady():
		return fmt.Sprintf("node %s is not ready", r.GetNodeId())
	case r.GetLeaderId() == "":
		return fmt.Sprintf("node %s knows no leader", r.GetNodeId())
	}
	has := 0
	for _, n := range r.GetNodes() {
		if n.GetVoter() {
			has++
		}
		switch {
		case n.GetProblem() != "":
			return fmt.Sprintf("node %s: %s", n.GetId(), problemText(n.GetProblem()))
		case !n.GetReady():
			return fmt.Sprintf("node %s is not ready", n.GetId())
		case n.GetLag() > wellLag:
			return fmt.Sprintf("node %s is %d revisions behind", n.GetId(), n.GetLag())
		}
	}
	if voters > 0 && has != voters {
		return fmt.Sprintf("%d of its members have a vote, not %d", has, voters)
	}
	return ""
}

// awaitWell asks until the cluster lacks nothing, or --timeout is over. It returns
// the last answer and what the cluster still lacked then.
func (s *servers) awaitWell(ctx context.Context, request *pb.StatusRequest, voters int) (reply *pb.StatusResponse, why string, err error) {
	for end := time.Now().Add(s.timeout); ; {
		attempt, cancel := context.WithDeadline(ctx, end)
		last, err := ask(attempt, s.call, pb.NewClusterServiceClient, pb.ClusterServiceClient.Status, request)
		cancel()
		if err == nil {
			reply, why = last, unwell(last, voters)
		}
		switch {
		case err == nil && why == "" || err != nil && !silent(err):
			return reply, why, err
		case time.Until(end) < wellEvery && reply != nil:
			return reply, why, nil
		case time.Until(end) < wellEvery:
			return nil, "", err
		}
		if err := sleep(ctx, wellEvery); err != nil {
			return nil, "", err
		}
	}
}
