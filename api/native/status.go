package native

import (
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	pembav1 "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// A clusterServer is pemba.v1.ClusterService.
type clusterServer struct {
	pembav1.UnimplementedClusterServiceServer
	base
	version string
}

// Status describes the cluster as this node sees it.
func (s *clusterServer) Status(ctx context.Context, r *pembav1.StatusRequest) (*pembav1.StatusResponse, error) {
	st := s.service.Status()
	reply := &pembav1.StatusResponse{
		NodeId:          st.NodeID,
		State:           stateOf(st.State),
		Ready:           st.Ready,
		LeaderId:        st.Leader,
		Term:            st.Term,
		CommitIndex:     st.CommitIndex,
		AppliedRevision: st.Applied,
		LastLogIndex:    st.LastLogIndex,
		HorizonRevision: st.Horizon,
		ClusterId:       st.ClusterID,
		Incarnation:     st.Incarnation,
		LastContact:     durationpb.New(st.LastContact),
		SnapshotIndex:   st.SnapshotIndex,
		LogBytes:        st.LogBytes,
		DiskFreeBytes:   st.DiskFree,
		Version:         s.version,
	}
	for _, m := range st.Members {
		reply.Members = append(reply.Members, &pembav1.Member{Id: m.ID, Address: m.Addr, Voter: m.Voter})
	}
	if !r.GetNodes() && !r.GetHash() {
		return reply, nil
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	nodes, err := s.service.Nodes(ctx, r.GetHash())
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		reply.Nodes = append(reply.Nodes, protoNode(n))
	}
	return reply, nil
}

func stateOf(state string) pembav1.NodeState {
	return pembav1.NodeState(pembav1.NodeState_value["NODE_STATE_"+strings.ToUpper(state)])
}
