package main

import (
	"errors"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// consistencyFlags say which view answers; none of them is the asked node's own.
type consistencyFlags struct {
	atLeast, exactly string
	latest           bool
}

func (c *consistencyFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.atLeast, "at", "", "read a view at least as new as this `TOKEN`")
	f.StringVar(&c.exactly, "exactly", "", "read the view of this `TOKEN`")
	f.BoolVar(&c.latest, "latest", false, "read a view that contains every write acknowledged before")
}

func (c *consistencyFlags) message() (*pb.Consistency, error) {
	switch {
	case c.latest && (c.exactly != "" || c.atLeast != "") || c.exactly != "" && c.atLeast != "":
		return nil, errors.New("--at, --exactly and --latest exclude each other: give one of them")
	case c.latest:
		return latest(), nil
	case c.exactly != "":
		return exactly(c.exactly), nil
	case c.atLeast != "":
		return &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: c.atLeast}}, nil
	}
	return nil, nil
}

func latest() *pb.Consistency {
	return &pb.Consistency{Level: &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}}
}

func exactly(token string) *pb.Consistency {
	return &pb.Consistency{Level: &pb.Consistency_Exactly{Exactly: token}}
}
