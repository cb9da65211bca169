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
line, all at one view, and exits with 0 if all are allowed.`,
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
	err = s.call(ctx, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
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

// checkLines asks the questions on standard input, all at one view.
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
	b := &batchCheck{app: a, servers: s, at: consistency, all: true}
	for in, err := range lines(ctx, a.in) {
		if err == nil {
			err = b.add(ctx, in, caveatContext)
		}
		if err != nil {
			return err
		}
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	if !b.all {
		return exitStatus(exitNo)
	}
	return nil
}

// batchCheck asks questions in batches, one after the other.
type batchCheck struct {
	app     *app
	servers *servers
	at      *pb.Consistency // once pinned, exactly the view of the first batch
	pinned  bool
	items   []*pb.BatchCheckItem
	from    []input // of items
	all     bool    // every question so far was answered with allowed
}

// add puts a question into the batch, and asks the batch when it is full.
func (b *batchCheck) add(ctx context.Context, in input, caveatContext string) error {
	item, err := batchItem(in.text, caveatContext)
	if err != nil {
		return in.wrong(err)
	}
	b.items, b.from = append(b.items, item), append(b.from, in)
	if len(b.items) < maxBatchCheck {
		return nil
	}
	return b.flush(ctx)
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

// flush asks the batch and prints a decision for each question. The first
// question that fails ends it.
func (b *batchCheck) flush(ctx context.Context) error {
	if len(b.items) == 0 {
		return nil
	}
	request := &pb.BatchCheckRequest{Tenant: b.app.tenant, Items: b.items, Consistency: b.at}
	var reply *pb.BatchCheckResponse
	err := b.servers.call(ctx, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
		reply, err = pb.NewPermissionServiceClient(conn).BatchCheck(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	for i, r := range reply.GetResults() {
		question := itemKey(b.items[i])
		if e := r.GetError(); e != nil {
			return b.from[i].wrong(fmt.Errorf("%s: %s", question, itemError(e)))
		}
		if err := b.app.printAnswer(question, r); err != nil {
			return err
		}
		b.all = b.all && r.GetDecision() == pb.Decision_DECISION_ALLOWED
	}
	if !b.pinned {
		b.at, b.pinned = exactly(reply.GetToken()), true
	}
	b.items, b.from = b.items[:0], b.from[:0]
	return nil
}

func (a *app) printAnswer(q tuple.Key, r *pb.BatchCheckResult) error {
	if a.json {
		return printJSON(a.out, batchAnswer{q.Object.String(), q.Relation, q.Subject.String(), jsonAnswer(r)})
	}
	_, err := fmt.Fprintf(a.out, "%s %s %s: %s\n", q.Object, q.Relation, q.Subject, decisionText(r.GetDecision(), r.GetMissingContext()))
	return err
}
