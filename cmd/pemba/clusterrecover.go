package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/cluster"
)

// clusterRecoverCommand works on the files of a node that does not run.
func (a *app) clusterRecoverCommand() *cobra.Command {
	var dir, id string
	var yes bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Make a stopped node the only member, when the quorum is lost for good",
		Long: `Make the node of a data directory, which must not run, the only member of its
cluster, with all that its log holds. It is for a cluster whose other voters are
lost for good.

What was acknowledged and is not on this disk is lost. All tokens given so far are
refused afterwards. The other members must not run any more; empty their data
directories, and they can join anew. Recover the node that has most: while they
run, "pemba cluster status --alone" prints the index at which each one's log ends.`,
		Args: exactArgs(0),
		RunE: func(*cobra.Command, []string) error {
			if !yes {
				return fmt.Errorf("recovering %s gives up what only the other members have, and all tokens; give --yes to do that", dir)
			}
			if _, err := os.Stat(filepath.Join(dir, "node.json")); err != nil {
				return fmt.Errorf("recover %s: node.json: %w; --data-dir names the directory of a node", dir, rootCause(err))
			}
			log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
			r, err := cluster.Recover(cluster.Config{DataDir: dir, NodeID: id, Logger: log})
			if err != nil {
				return fmt.Errorf("recover %s: %w", dir, err)
			}
			if a.json {
				return printJSON(a.out, map[string]any{"node_id": r.NodeID, "revision": r.Revision, "incarnation": r.Incarnation, "lost": r.Lost})
			}
			lost := "no other member"
			if len(r.Lost) > 0 {
				lost = strings.Join(r.Lost, ", ")
			}
			_, err = fmt.Fprintf(a.out, "node %s is the only member, at revision %d, incarnation %d; gone: %s\n", r.NodeID, r.Revision, r.Incarnation, lost)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "data-dir", "./pemba-data", "directory of the node")
	f.StringVar(&id, "node-id", "n1", "name of the node")
	f.BoolVar(&yes, "yes", false, "do it")
	f.BoolVar(&a.json, "json", false, "print JSON")
	fromEnv(cmd, "data-dir", "node-id")
	return cmd
}
