package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) clusterCommand() *cobra.Command {
	cmd := group("cluster", "Look at the cluster and change its members")
	cmd.AddCommand(a.clusterStatusCommand())
	cmd.AddCommand(a.clusterChangeCommands()...)
	cmd.AddCommand(a.clusterRecoverCommand())
	return cmd
}

func (a *app) clusterStatusCommand() *cobra.Command {
	var alone, hash bool
	cmd := a.askingCluster(&cobra.Command{
		Use:   "status",
		Short: "Print how the cluster is, and each of its nodes",
		Long: `Print how the asked node sees the cluster, and what each node says of itself.
With --hash each node also hashes its state at one common revision: equal hashes
mean equal states. That reads everything and holds writes up meanwhile.`,
		Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error {
		request := &pb.StatusRequest{Nodes: !alone, Hash: hash}
		reply, err := ask(ctx, s.call, pb.NewClusterServiceClient, pb.ClusterServiceClient.Status, request)
		if err != nil {
			return err
		}
		if a.json {
			return printMessage(a.out, reply)
		}
		return printStatus(a.out, reply)
	})
	cmd.Flags().BoolVar(&alone, "alone", false, "ask no other node than the one that answers")
	cmd.Flags().BoolVar(&hash, "hash", false, "have each node hash its state")
	return cmd
}

func printStatus(to io.Writer, r *pb.StatusResponse) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	state := strings.ToLower(strings.TrimPrefix(r.GetState().String(), "NODE_STATE_"))
	if !r.GetReady() {
		state += ", not ready"
	}
	leader := r.GetLeaderId()
	if leader == "" {
		leader = "none"
	}
	fmt.Fprintf(w, "node\t%s (%s, pemba %s)\n", r.GetNodeId(), state, r.GetVersion())
	fmt.Fprintf(w, "leader\t%s in term %d, last contact %s ago\n", leader, r.GetTerm(), r.GetLastContact().AsDuration().Round(time.Millisecond))
	fmt.Fprintf(w, "cluster\t%s, incarnation %d\n", r.GetClusterId(), r.GetIncarnation())
	fmt.Fprintf(w, "revision\t%d applied, readable from %d\n", r.GetAppliedRevision(), r.GetHorizonRevision())
	fmt.Fprintf(w, "log\tindex %d, committed %d, snapshot %d, %s\n",
		r.GetLastLogIndex(), r.GetCommitIndex(), r.GetSnapshotIndex(), bytesText(r.GetLogBytes()))
	if free := r.GetDiskFreeBytes(); free >= 0 {
		fmt.Fprintf(w, "disk\t%s free\n", bytesText(free))
	}
	if len(r.GetNodes()) == 0 {
		for _, m := range r.GetMembers() {
			fmt.Fprintf(w, "member\t%s %s %s\n", m.GetId(), m.GetAddress(), suffrage(m.GetVoter()))
		}
	}
	for _, n := range r.GetNodes() {
		fmt.Fprintf(w, "member\t%s\n", nodeText(n))
	}
	return w.Flush()
}

func suffrage(voter bool) string {
	if voter {
		return "voter"
	}
	return "nonvoter"
}

// nodeText says in one line how a node is.
func nodeText(n *pb.NodeStatus) string {
	text := fmt.Sprintf("%s %s %s", n.GetId(), n.GetAddress(), suffrage(n.GetVoter()))
	if p := n.GetProblem(); p != "" {
		return text + ": " + problemText(p)
	}
	text += fmt.Sprintf(", %s, revision %d", strings.ToLower(strings.TrimPrefix(n.GetState().String(), "NODE_STATE_")), n.GetAppliedRevision())
	if n.GetLag() > 0 {
		text += fmt.Sprintf(" (%d behind)", n.GetLag())
	}
	if !n.GetReady() {
		text += ", not ready"
	}
	if n.GetClientAddress() != "" {
		text += ", clients at " + n.GetClientAddress()
	}
	if n.GetHash() != "" {
		text += fmt.Sprintf(", hash %.16s at %d", n.GetHash(), n.GetHashRevision())
	}
	return text
}

// problemText says why a node told nothing of itself; of what gRPC reports of a
// connection, the end says it.
func problemText(p string) string {
	if strings.HasPrefix(p, "rpc error: code = Unavailable") {
		return "no answer (" + lastClause(p) + ")"
	}
	return oneLine(p)
}

// bytesText writes a size in the largest binary unit that leaves at least 1.
func bytesText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	size, i := float64(n), 0
	for size >= 1024 && i < len(units)-1 {
		size /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return strings.TrimSuffix(strconv.FormatFloat(size, 'f', 1, 64), ".0") + " " + units[i]
}
