package main

import (
	"context"
	"errors"
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
	var alone, hash, wait bool
	var voters int
	cmd := a.askingCluster(&cobra.Command{
		Use:   "status",
		Short: "Print how the cluster is, and each of its nodes",
		Long: `Print how the asked node sees the cluster, and what each node says of itself.
With --hash each node also hashes its state at one common revision: equal hashes
mean equal states. That reads everything and holds writes up meanwhile.

With --wait it waits for at most --timeout until there is a leader and every
member answers, is ready and not far behind; the exit status is 1 if it comes to
nothing. So one node after the other can be restarted by a script.`,
		Example: `  pemba cluster status
  pemba cluster status --wait --timeout 1m && systemctl restart pemba`,
		Args: exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error {
		request := &pb.StatusRequest{Nodes: !alone, Hash: hash}
		if voters != 0 && (!wait || alone) {
			return errors.New("--voters goes with --wait, and not with --alone")
		}
		if wait {
			return a.waitForCluster(ctx, s, request, voters)
		}
		reply, err := ask(ctx, s.call, pb.NewClusterServiceClient, pb.ClusterServiceClient.Status, request)
		if err != nil {
			return err
		}
		return a.printStatus(reply)
	})
	cmd.Flags().BoolVar(&alone, "alone", false, "ask no other node than the one that answers")
	cmd.Flags().BoolVar(&hash, "hash", false, "have each node hash its state")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until all members are well; exit with 1 if they are not after --timeout")
	cmd.Flags().IntVar(&voters, "voters", 0, "with --wait: and until so many members have a vote")
	return cmd
}

func (a *app) waitForCluster(ctx context.Context, s *servers, request *pb.StatusRequest, voters int) error {
	reply, why, err := s.awaitWell(ctx, request, voters)
	if err != nil {
		return err
	}
	if err := a.printStatus(reply); err != nil || why == "" {
		return err
	}
	fmt.Fprintf(a.err, "pemba: after %v the cluster is not well: %s\n", a.timeout, why)
	return exitStatus(exitNo)
}

func (a *app) printStatus(r *pb.StatusResponse) error {
	if a.json {
		return printMessage(a.out, r)
	}
	return writeStatus(a.out, r)
}

func writeStatus(to io.Writer, r *pb.StatusResponse) error {
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
	fmt.Fprintf(w, "leader\t%s in term %d, %s\n", leader, r.GetTerm(), contactText(r.GetLastContact().AsDuration()))
	if r.GetClusterId() == "" {
		fmt.Fprintf(w, "cluster\tnone yet\n")
	} else {
		fmt.Fprintf(w, "cluster\t%s, incarnation %d\n", r.GetClusterId(), r.GetIncarnation())
	}
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
		text := nodeText(n)
		if v := n.GetVersion(); v != "" && v != r.GetVersion() {
			text += ", pemba " + v
		}
		fmt.Fprintf(w, "member\t%s\n", text)
	}
	return w.Flush()
}

// contactText says how long ago a node had all that a leader had. One that never
// had gives the longest time there is.
func contactText(since time.Duration) string {
	if since > 100*365*24*time.Hour {
		return "no contact yet"
	}
	return fmt.Sprintf("last contact %s ago", since.Round(time.Millisecond))
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
