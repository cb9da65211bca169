package main

import (
	"context"
	"fmt"

	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
	"github.com/pemba-authz/pemba/tuple"
)

// maxBatchCheck is the server's limit on the questions of one batch.
const maxBatchCheck = 1000

// checkLines asks the questions on standard input, all at one view.
func (a *app) checkLines(ctx context.Context, s *servers, o *checkOptions) error {
	consistency, err := o.message()
	if err != nil {
		return err
	}
	contextual, err := o.tuples()
	if err != nil {
		return err
	}
	b := &batchCheck{app: a, servers: s, at: consistency, contextual: contextual, all: true}
	for in, err := range lines(ctx, a.in) {
		if err == nil {
			err = b.add(ctx, in, o.context)
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
	app        *app
	servers    *servers
	at         *pb.Consistency // once pinned, exactly the view of the first batch
	pinned     bool
	contextual []*pb.Tuple
	items      []*pb.BatchCheckItem
	from       []input // of items
	all        bool    // every question so far was answered with allowed
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
	request := &pb.BatchCheckRequest{Tenant: b.app.tenant, Items: b.items, ContextualTuples: b.contextual, Consistency: b.at}
	reply, err := ask(ctx, b.servers.call, pb.NewPermissionServiceClient, pb.PermissionServiceClient.BatchCheck, request)
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
