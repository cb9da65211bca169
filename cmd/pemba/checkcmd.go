package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// checkOptions are what check is asked beside its questions.
type checkOptions struct {
	factFlags
	consistencyFlags
	explain bool
}

func (a *app) checkCommand() *cobra.Command {
	o := &checkOptions{}
	cmd := a.asking(&cobra.Command{
		Use:   "check OBJECT PERMISSION SUBJECT",
		Short: "Ask whether a subject has a permission on an object",
		Long: `Ask whether a subject has a permission on an object. Prints allowed, denied, or
conditional with the context that is missing; exit status 0, 1, 1, and 2 on an
error. --explain says why, too: the way that allowed it, or everything that was
tried.

"check -" reads questions from standard input, one a line, as
"object permission subject" or object#permission@subject, prints one decision a
line, all at one view, and exits with 0 if all are allowed.`,
		Example: `  pemba check doc:readme view user:ann
  pemba check doc:readme view 'group:eng#member' --latest
  pemba check doc:readme edit user:ann --context '{"hour": 9}' --explain
  pemba check doc:readme view user:ann --contextual group:eng#member@user:ann`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "-" {
				return nil
			}
			return exactArgs(3)(cmd, args)
		},
	}, func(ctx context.Context, s *servers, args []string) error {
		switch {
		case args[0] == "-" && o.explain:
			return errors.New("--explain takes one question: object, permission and subject")
		case args[0] == "-":
			return a.checkLines(ctx, s, o)
		}
		return a.check(ctx, s, args, o)
	})
	cmd.Flags().BoolVar(&o.explain, "explain", false, "print why")
	o.factFlags.add(cmd)
	o.consistencyFlags.add(cmd)
	return cmd
}

// request is the question in args.
func (o *checkOptions) request(tenant string, args []string) (*pb.CheckRequest, error) {
	q, err := parseQuestion(args[0], args[1], args[2])
	if err != nil {
		return nil, err
	}
	consistency, err := o.message()
	if err != nil {
		return nil, err
	}
	contextual, err := o.tuples()
	return &pb.CheckRequest{
		Tenant: tenant, Object: objectMessage(q.Object), Permission: q.Relation, Subject: subjectMessage(q.Subject),
		ContextJson: o.context, ContextualTuples: contextual, Consistency: consistency,
	}, err
}

func (a *app) check(ctx context.Context, s *servers, args []string, o *checkOptions) error {
	request, err := o.request(a.tenant, args)
	if err != nil {
		return err
	}
	if o.explain {
		return a.explainCheck(ctx, s, request)
	}
	reply, err := ask(ctx, s.call, pb.NewPermissionServiceClient, pb.PermissionServiceClient.Check, request)
	if err != nil {
		return err
	}
	if a.json {
		err = printJSON(a.out, jsonAnswer(reply))
	} else {
		_, err = fmt.Fprintln(a.out, decisionText(reply.GetDecision(), reply.GetMissingContext()))
	}
	if err != nil {
		return err
	}
	return decisionStatus(reply)
}

// explainCheck asks the question and prints why it is answered as it is.
func (a *app) explainCheck(ctx context.Context, s *servers, request *pb.CheckRequest) error {
	reply, err := ask(ctx, s.call, pb.NewPermissionServiceClient, pb.PermissionServiceClient.Explain, &pb.ExplainRequest{Check: request})
	if err != nil {
		return err
	}
	if a.json {
		err = printTree(a.out, reply)
	} else {
		err = printText(a.out, reply.GetText())
	}
	if err != nil {
		return err
	}
	if failed := reply.GetError(); failed != nil {
		return errors.New(itemError(failed)) // no decision was made, so this is no "no"
	}
	return decisionStatus(reply.GetAnswer())
}

// decisionStatus is the exit status of a decision.
func decisionStatus(r answer) error {
	if r.GetDecision() != pb.Decision_DECISION_ALLOWED {
		return exitStatus(exitNo)
	}
	return nil
}
