package main

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// well is a cluster of two members that lacks nothing.
func well() *pb.StatusResponse {
	return &pb.StatusResponse{NodeId: "n1", Ready: true, LeaderId: "n1", ClusterId: "c", Nodes: []*pb.NodeStatus{
		{Id: "n1", Ready: true}, {Id: "n2", Ready: true, Lag: 3},
	}}
}

func TestUnwell_NamesWhatIsMissing(t *testing.T) {
	for want, change := range map[string]func(*pb.StatusResponse){
		"":                        func(*pb.StatusResponse) {},
		"node n1 is not ready":    func(r *pb.StatusResponse) { r.Ready = false },
		"node n1 knows no leader": func(r *pb.StatusResponse) { r.LeaderId = "" },
		"node n2: no answer (refused)": func(r *pb.StatusResponse) {
			r.Nodes[1].Problem = "rpc error: code = Unavailable desc = connection error: refused"
		},
		"node n2 is not ready": func(r *pb.StatusResponse) { r.Nodes[1].Ready = false },
		"node n2 is 1001 revisions behind": func(r *pb.StatusResponse) {
			r.Nodes[1].Lag = 1001
		},
	} {
		r := well()
		change(r)
		if got := unwell(r, 0); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got, want := unwell(well(), 3), "0 of its members have a vote, not 3"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// ailing is a cluster that is well after some questions.
type ailing struct {
	pb.UnimplementedClusterServiceServer
	questions int
}

func (a *ailing) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	r := well()
	a.questions--
	r.Nodes[1].Ready = a.questions < 0
	return r, nil
}

func TestStatus_WaitsUntilTheClusterIsWell(t *testing.T) {
	for questions, want := range map[int]int{2: exitOK, 1000: exitNo} {
		l := listen(t)
		s := grpc.NewServer()
		pb.RegisterClusterServiceServer(s, &ailing{questions: questions})
		go s.Serve(l)
		t.Cleanup(s.Stop)
		timeout := "1m"
		if want == exitNo {
			timeout = "300ms"
		}
		status, out, said := pemba("", "cluster", "status", "--wait", "--timeout", timeout, "--addr", l.Addr().String())
		if status != want || !strings.Contains(out, "leader") || (want == exitNo) != strings.Contains(said, "n2 is not ready") {
			t.Errorf("status %d, want %d: %s%s", status, want, out, said)
		}
	}
}
