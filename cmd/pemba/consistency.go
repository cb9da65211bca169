package main

import (
	"errors"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// consistencyFlags say which view answers; without any it is the asked node's own.
type consistencyFlags struct {
	atLeast, at string
	latest      bool
}

func (c *consistencyFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.atLeast, "at-least", "", "read a view at least as new as this `TOKEN`")
	f.StringVar(&c.at, "at", "", "read exactly the view of this `TOKEN`")
	f.BoolVar(&c.latest, "latest", false, "read a view that contains every write acknowledged before")
}

func (c *consistencyFlags) message() (*pb.Consistency, error) {
	switch {
	case c.latest && (c.at != "" || c.atLeast != "") || c.at != "" && c.atLeast != "":
		return nil, errors.New("--at-least, --at and --latest exclude each other: give one of them")
	case c.latest:
		return latest(), nil
	case c.at != "":
		return exactly(c.at), nil
	case c.atLeast != "":
		return &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: c.atLeast}}, nil
	}
	return nil, nil
}

// pageFlags ask for a part of a long answer.
type pageFlags struct {
	consistencyFlags
	limit  uint32
	cursor string
}

func (p *pageFlags) add(cmd *cobra.Command) {
	cmd.Flags().Uint32Var(&p.limit, "limit", 0, "print at most so many; the cursor that goes on is then printed on standard error")
	cmd.Flags().StringVar(&p.cursor, "cursor", "", "go on behind an earlier answer to the same question, at its view")
	p.consistencyFlags.add(cmd)
}

func (p *pageFlags) message() (*pb.Consistency, error) {
	c, err := p.consistencyFlags.message()
	if err == nil && c != nil && p.cursor != "" {
		return nil, errors.New("--cursor names its own view: leave --at-least, --at and --latest out")
	}
	return c, err
}

func latest() *pb.Consistency {
	return &pb.Consistency{Level: &pb.Consistency_Latest{Latest: &pb.Consistency_LatestLevel{}}}
}

func exactly(token string) *pb.Consistency {
	return &pb.Consistency{Level: &pb.Consistency_Exactly{Exactly: token}}
}

// goOn adds to an error how to get the rest of an answer that has come in part.
func goOn(err error, begun bool, cursor string) error {
	if !begun || cursor == "" {
		return err
	}
	return &hinted{error: err, hint: "go on with: --cursor " + cursor}
}
