package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

func (a *app) clusterCommand() *cobra.Command {
	cmd := group("cluster", "Look at the cluster")
	status := a.askingCluster(&cobra.Command{
		Use:   "status",
		Short: "Print how the asked node sees the cluster",
		Args:  exactArgs(0),
	}, a.clusterStatus)
	cmd.AddCommand(status)
	return cmd
}

func (a *app) clusterStatus(ctx context.Context, s *servers, _ []string) error {
	reply, err := ask(ctx, s.call, pb.NewClusterServiceClient, pb.ClusterServiceClient.Status, &pb.StatusRequest{})
	if err != nil {
		return err
	}
	if a.json {
		return printMessage(a.out, reply)
	}
	return printStatus(a.out, reply)
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
	fmt.Fprintf(w, "leader\t%s in term %d, last contact %s ago\n", leader, r.GetTerm(), r.GetLastContact().AsDuration())
	fmt.Fprintf(w, "cluster\t%s, incarnation %d\n", r.GetClusterId(), r.GetIncarnation())
	fmt.Fprintf(w, "revision\t%d applied, readable from %d\n", r.GetAppliedRevision(), r.GetHorizonRevision())
	fmt.Fprintf(w, "log\tindex %d, committed %d, snapshot %d, %s\n",
		r.GetLastLogIndex(), r.GetCommitIndex(), r.GetSnapshotIndex(), bytesText(r.GetLogBytes()))
	if free := r.GetDiskFreeBytes(); free >= 0 {
		fmt.Fprintf(w, "disk\t%s free\n", bytesText(free))
	}
	for _, m := range r.GetMembers() {
		part := "nonvoter"
		if m.GetVoter() {
			part = "voter"
		}
		fmt.Fprintf(w, "member\t%s %s %s\n", m.GetId(), m.GetAddress(), part)
	}
	return w.Flush()
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
