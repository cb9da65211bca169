package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	operationpb "github.com/yandex-cloud/go-genproto/yandex/cloud/operation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pemba-authz/pemba/iam"
	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

// iamPage is how many results a list asks for at a time.
const iamPage = 1000

// askChange is ask for a change to the IAM layer. It may be repeated, as an
// idempotency key makes that safe. what names the change in doubt.
func askChange[C, Q, R any](ctx context.Context, s *servers, what string, client func(grpc.ClientConnInterface) C,
	method func(C, context.Context, *Q, ...grpc.CallOption) (*R, error), question *Q) (*R, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "idempotency-key", uuid.NewString())
	reply, err := ask(ctx, s.persist, client, method, question)
	if err != nil {
		return nil, s.inDoubt(err, what+" may or may not have happened; look before you repeat it")
	}
	return reply, nil
}

// outcome is askChange for a method that answers with an operation, one that has
// not failed.
func outcome[C, Q any](ctx context.Context, s *servers, what string, client func(grpc.ClientConnInterface) C,
	method func(C, context.Context, *Q, ...grpc.CallOption) (*operationpb.Operation, error), question *Q) (*operationpb.Operation, error) {
	op, err := askChange(ctx, s, what, client, method, question)
	if err != nil {
		return nil, err
	}
	if failed := op.GetError(); failed != nil {
		return nil, fmt.Errorf("operation %s failed: %w", op.GetId(), s.remote(status.ErrorProto(failed)))
	}
	return op, nil
}

// printOperation prints what became of a change: nothing for people if it is done.
func (a *app) printOperation(op *operationpb.Operation, err error) error {
	switch {
	case err != nil:
		return err
	case a.json:
		return printTree(a.out, op)
	case !op.GetDone():
		_, err = fmt.Fprintf(a.out, "operation %s is under way%s\n", op.GetId(), dueText(op))
	}
	return err
}

// printMade prints the id of what an operation has made, or all of it as JSON.
func printMade[M interface {
	proto.Message
	GetId() string
}](a *app, op *operationpb.Operation, err error, m M) error {
	if err != nil {
		return err
	}
	if err := op.GetResponse().UnmarshalTo(m); err != nil {
		return fmt.Errorf("operation %s: %w", op.GetId(), err)
	}
	if a.json {
		return printTree(a.out, m)
	}
	_, err = fmt.Fprintln(a.out, m.GetId())
	return err
}

// rows asks for one page after the other, and prints them as a table with these
// columns, or one JSON object a line.
func rows[R proto.Message](a *app, columns string, fetch func(token string) (page []R, next string, err error), cells func(R) []string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for token, first := "", true; first || token != ""; first = false {
		page, next, err := fetch(token)
		if err != nil {
			w.Flush()
			return err
		}
		if first && columns != "" && len(page) > 0 && !a.json {
			fmt.Fprintln(w, strings.ReplaceAll(columns, " ", "\t"))
		}
		for _, r := range page {
			if a.json {
				if err := printTree(a.out, r); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintln(w, strings.TrimRight(strings.Join(cells(r), "\t"), "\t"))
		}
		token = next
	}
	return w.Flush()
}

// facts prints one thing: JSON, or a line for each pair of name and value that
// has a value.
func (a *app) facts(m proto.Message, pairs ...string) error {
	if a.json {
		return printTree(a.out, m)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", pairs[i], pairs[i+1])
		}
	}
	return w.Flush()
}

// momentText writes a time for people; an absent one is "".
func momentText(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339)
}

// shortKinds are the kinds that have a short name here.
var shortKinds = map[string]string{
	"organization": iam.OrganizationKind, "cloud": iam.CloudKind, "folder": iam.FolderKind,
	"account": iam.ServiceAccountKind, "group": iam.GroupKind,
}

// parseResource reads KIND/ID.
func parseResource(text string) (*iamv1.Resource, error) {
	r, err := iam.ParseResource(text)
	if err != nil {
		return nil, fmt.Errorf("resource %q: a resource is written KIND/ID, as folder/ID or compute.instance/ID", text)
	}
	if kind, ok := shortKinds[r.Kind]; ok {
		r.Kind = kind
	}
	return &iamv1.Resource{Kind: r.Kind, Id: r.ID}, nil
}

// parseSubjectID reads TYPE:ID.
func parseSubjectID(text string) (*iamv1.Subject, error) {
	s, err := iam.ParseSubject(text)
	if err != nil {
		return nil, fmt.Errorf("subject %q: %w", text, err)
	}
	return &iamv1.Subject{Type: string(s.Type), Id: s.ID}, nil
}

func resourceText(r *iamv1.Resource) string { return r.GetKind() + "/" + r.GetId() }
func subjectText(s *iamv1.Subject) string   { return s.GetType() + ":" + s.GetId() }

// needing makes flags of a command required.
func needing(cmd *cobra.Command, flags ...string) *cobra.Command {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range flags {
			if v := cmd.Flags().Lookup(name).Value.String(); v == "" || v == "[]" {
				return usage(cmd, "--"+name+" is missing")
			}
		}
		if before == nil {
			return nil
		}
		return before(cmd, args)
	}
	return cmd
}

// printMadeID prints what was made: its id, or all of it as JSON.
func (a *app) printMadeID(m proto.Message, id string) error {
	if a.json {
		return printTree(a.out, m)
	}
	_, err := fmt.Fprintln(a.out, id)
	return err
}

// printChange prints the reply to a change as JSON, and nothing for people.
func (a *app) printChange(reply proto.Message, err error) error {
	if err != nil || !a.json {
		return err
	}
	return printTree(a.out, reply)
}
