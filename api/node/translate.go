package node

import (
	"time"

	"github.com/pemba-authz/pemba/cluster"
	nodev1 "github.com/pemba-authz/pemba/proto/pemba/node/v1"
	"github.com/pemba-authz/pemba/store"
)

func failureOut(f cluster.Failure) *nodev1.Failure {
	return &nodev1.Failure{Sure: f.Sure, Reason: f.Reason, Message: f.Message, Fix: f.Fix}
}

func failureIn(f *nodev1.Failure) error {
	return cluster.Failure{Sure: f.GetSure(), Reason: f.GetReason(), Message: f.GetMessage(), Fix: f.GetFix()}.Err()
}

func resultOut(r cluster.Result) *nodev1.Result {
	if r.Err != nil {
		return &nodev1.Result{Failure: failureOut(cluster.FailureOf(r.Err))}
	}
	o := r.Outcome
	return &nodev1.Result{Code: uint32(o.Code), Revision: o.Revision, Index: int64(o.Index), Detail: o.Detail, Replayed: o.Replayed}
}

func resultIn(r *nodev1.Result) cluster.Result {
	if f := r.GetFailure(); f != nil {
		return cluster.Result{Err: failureIn(f)}
	}
	return cluster.Result{Outcome: store.Outcome{
		Code: store.Code(r.GetCode()), Revision: r.GetRevision(), Index: int(r.GetIndex()), Detail: r.GetDetail(), Replayed: r.GetReplayed(),
	}}
}

func sightingOut(s cluster.Sighting) *nodev1.DiscoverResponse {
	return &nodev1.DiscoverResponse{
		NodeId: s.NodeID, DiskId: s.DiskID, Address: s.Addr, Stage: string(s.Stage), ClusterId: s.ClusterID,
		Expect: int32(s.Expect), Level: int32(s.Level), LeaderAddress: s.Leader, ProposerId: s.Proposer,
	}
}

// sighted is who a node says it is, on either port.
type sighted interface {
	GetNodeId() string
	GetDiskId() string
	GetAddress() string
	GetStage() string
	GetClusterId() string
	GetExpect() int32
	GetLevel() int32
	GetLeaderAddress() string
	GetProposerId() string
}

func sightingIn(r sighted) cluster.Sighting {
	return cluster.Sighting{
		NodeID: r.GetNodeId(), DiskID: r.GetDiskId(), Addr: r.GetAddress(), Stage: cluster.Stage(r.GetStage()), ClusterID: r.GetClusterId(),
		Expect: int(r.GetExpect()), Level: int(r.GetLevel()), Leader: r.GetLeaderAddress(), Proposer: r.GetProposerId(),
	}
}

func promiseOut(p cluster.Promise) *nodev1.PromiseRequest {
	r := &nodev1.PromiseRequest{ClusterId: p.Cluster, Ballot: p.Ballot}
	for _, f := range p.Founders {
		r.Founders = append(r.Founders, &nodev1.Founder{Id: f.ID, DiskId: f.Disk, Address: f.Addr, Level: int32(f.Level)})
	}
	return r
}

func promiseIn(r *nodev1.PromiseRequest) cluster.Promise {
	p := cluster.Promise{Cluster: r.GetClusterId(), Ballot: r.GetBallot()}
	for _, f := range r.GetFounders() {
		p.Founders = append(p.Founders, cluster.Founder{ID: f.GetId(), Disk: f.GetDiskId(), Addr: f.GetAddress(), Level: int(f.GetLevel())})
	}
	return p
}

func joinOut(r cluster.JoinRequest) *nodev1.JoinRequest {
	return &nodev1.JoinRequest{
		Id: r.ID, DiskId: r.Disk, Address: r.Addr, ClientAddress: r.ClientAddr, Voter: r.Voter, Level: int32(r.Level),
		ClusterId: r.Cluster, Generation: r.Generation, Ready: r.Ready, Revision: r.Revision,
	}
}

func joinIn(r *nodev1.JoinRequest) cluster.JoinRequest {
	return cluster.JoinRequest{
		ID: r.GetId(), Disk: r.GetDiskId(), Addr: r.GetAddress(), ClientAddr: r.GetClientAddress(), Voter: r.GetVoter(), Level: int(r.GetLevel()),
		Cluster: r.GetClusterId(), Generation: r.GetGeneration(), Ready: r.GetReady(), Revision: r.GetRevision(),
	}
}

func joinedOut(j cluster.Joined) *nodev1.JoinResponse {
	return &nodev1.JoinResponse{ClusterId: j.Cluster, Generation: j.Generation, Known: j.Known, Done: j.Done}
}

func joinedIn(r *nodev1.JoinResponse) cluster.Joined {
	return cluster.Joined{Cluster: r.GetClusterId(), Generation: r.GetGeneration(), Known: r.GetKnown(), Done: r.GetDone()}
}

func statusOut(s cluster.NodeStatus) *nodev1.StatusResponse {
	return &nodev1.StatusResponse{
		Id: s.ID, Address: s.Addr, ClientAddress: s.ClientAddr, State: s.State, Version: s.Version, Level: int32(s.Level),
		Ready: s.Ready, Term: s.Term, AppliedRevision: s.Applied, CommitIndex: s.CommitIndex, LastLogIndex: s.LastLogIndex,
		LastContact: int64(s.LastContact), Clock: s.Clock, DiskFull: s.DiskFull,
	}
}

func statusIn(r *nodev1.StatusResponse) cluster.NodeStatus {
	return cluster.NodeStatus{
		ID: r.GetId(), Addr: r.GetAddress(), ClientAddr: r.GetClientAddress(), State: r.GetState(), Version: r.GetVersion(), Level: int(r.GetLevel()),
		Ready: r.GetReady(), Term: r.GetTerm(), Applied: r.GetAppliedRevision(), CommitIndex: r.GetCommitIndex(), LastLogIndex: r.GetLastLogIndex(),
		LastContact: time.Duration(r.GetLastContact()), Clock: r.GetClock(), DiskFull: r.GetDiskFull(),
	}
}
