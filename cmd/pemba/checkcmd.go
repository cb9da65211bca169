package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// maxBatchCheck is the server's limit on the questions of one batch.
const maxBatchCheck = 1000

func (a *app) checkCommand() *cobra.Command {
	var at consistencyFlags
	var caveatContext string
	cmd := a.client(&cobra.Command{
		Use:   "check OBJECT PERMISSION SUBJECT",
		Short: "Ask whether a subject has a permission on an object",
		Long: `Ask whether a subject has a permission on an object. Prints allowed, denied, or
conditional with the context that is missing; exit status 0, 1, 1, and 2 on an
error. "check -" reads questions from standard input, one a line, as
"object permission subject" or object#permission@subject, prints one decision a
line, and exits with 0 if all are allowed.`,
		Example: `  pemba check doc:readme view user:ann
  pemba check doc:readme view 'group:eng#member' --latest
  pemba check doc:readme edit user:ann --context '{"hour": 9}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "-" {
				return nil
			}
			return exactArgs(3)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "-" {
				return a.checkLines(cmd.Context(), caveatContext, &at)
			}
			return a.check(cmd.Context(), args, caveatContext, &at)
		},
	})
	cmd.Flags().StringVar(&caveatContext, "context", "", "values of caveat parameters, one `JSON` object")
	at.add(cmd)
	return cmd
}

// parseQuestion reads object, permission and subject; a server judges the rest.
func parseQuestion(object, permission, subject string) (tuple.Key, error) {
	o, err := tuple.ParseObject(object)
	if err != nil {
		return tuple.Key{}, err
	}
	s, err := tuple.ParseSubject(subject)
	return tuple.Key{Object: o, Relation: permission, Subject: s}, err
}

// parseQuestionLine reads "object permission subject" or "object#permission@subject".
func parseQuestionLine(line string) (tuple.Key, error) {
	if fields := strings.Fields(line); len(fields) == 3 {
		return parseQuestion(fields[0], fields[1], fields[2])
	}
	t, err := tuple.ParseTuple(line)
	if err != nil || t.Key().String() != t.String() {
		return tuple.Key{}, fmt.Errorf("question %q: write it object permission subject, as doc:readme view user:ann", line)
	}
	return t.Key(), nil
}

func (a *app) check(ctx context.Context, args []string, caveatContext string, at *consistencyFlags) error {
	q, err := parseQuestion(args[0], args[1], args[2])
	if err != nil {
		return err
	}
	consistency, err := at.message()
	if err != nil {
		return err
	}
	s, err := a.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	request := &pb.CheckRequest{
		Tenant: a.tenant, Object: objectMessage(q.Object), Permission: q.Relation, Subject: subjectMessage(q.Subject),
		ContextJson: caveatContext, Consistency: consistency,
	}
	var reply *pb.CheckResponse
	err = s.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		reply, err = pb.NewPermissionServiceClient(conn).Check(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		err = printJSON(a.out, jsonAnswer(reply))
	} else {
		_, err = fmt.Fprintln(a.out, decisionText(reply.GetDecision(), reply.GetMissingContext()))
	}
	if err == nil && reply.GetDecision() != pb.Decision_DECISION_ALLOWED {
		return exitStatus(exitNo)
	}
	return err
}

// checkLines asks the questions on standard input, up to 1,000 at one view.
func (a *app) checkLines(ctx context.Context, caveatContext string, at *consistencyFlags) error {
	consistency, err := at.message()
	if err != nil {
		return err
	}
	s, err := a.dial()
	if err != nil {
		return err
	}
	defer s.Close()
	var batch []*pb.BatchCheckItem
	all := true
	flush := func() error {
		allowed, err := a.checkBatch(ctx, s, batch, consistency)
		all, batch = all && allowed, batch[:0]
		return err
	}
	for line, err := range lines(ctx, a.in) {
		if err != nil {
			return err
		}
		item, err := batchItem(line, caveatContext)
		if err != nil {
			return err
		}
		if batch = append(batch, item); len(batch) == maxBatchCheck {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(batch) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	if !all {
		return exitStatus(exitNo)
	}
	return nil
}

func batchItem(line, caveatContext string) (*pb.BatchCheckItem, error) {
	q, err := parseQuestionLine(line)
	if err != nil {
		return nil, err
	}
	return &pb.BatchCheckItem{
		Object: objectMessage(q.Object), Permission: q.Relation, Subject: subjectMessage(q.Subject), ContextJson: caveatContext,
	}, nil
}

// checkBatch prints a decision for each item and tells whether all are allowed.
// The first question that fails ends it.
func (a *app) checkBatch(ctx context.Context, s *servers, items []*pb.BatchCheckItem, at *pb.Consistency) (bool, error) {
	request := &pb.BatchCheckRequest{Tenant: a.tenant, Items: items, Consistency: at}
	var reply *pb.BatchCheckResponse
	err := s.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		reply, err = pb.NewPermissionServiceClient(conn).BatchCheck(ctx, request)
		return err
	})
	if err != nil {
		return false, err
	}
	all := true
	for i, r := range reply.GetResults() {
		question := itemKey(items[i])
		if e := r.GetError(); e != nil {
			return false, fmt.Errorf("%s: %s", question, itemError(e))
		}
		if a.json {
			err = printJSON(a.out, batchAnswer{question.Object.String(), question.Relation, question.Subject.String(), jsonAnswer(r)})
		} else {
			_, err = fmt.Fprintf(a.out, "%s %s %s: %s\n", question.Object, question.Relation, question.Subject,
				decisionText(r.GetDecision(), r.GetMissingContext()))
		}
		if err != nil {
			return false, err
		}
		all = all && r.GetDecision() == pb.Decision_DECISION_ALLOWED
	}
	return all, nil
}
