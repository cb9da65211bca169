package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamBindingCommand() *cobra.Command {
	return nouns("binding", "Access bindings: which roles are granted on a resource, and to whom",
		a.bindingListCommand(),
		a.bindingDeltaCommand("add", "Grant a role on a resource, and so on all below it", iamv1.AccessBindingDelta_ACTION_ADD),
		a.bindingDeltaCommand("remove", "Revoke a role on a resource", iamv1.AccessBindingDelta_ACTION_REMOVE),
		a.bindingSetCommand())
}

func (a *app) bindingListCommand() *cobra.Command {
	return a.identified(&cobra.Command{
		Use: "list RESOURCE", Short: "List what is granted on a resource itself",
		Long: `List what is granted on a resource itself, one "ROLE SUBJECT" a line, as
"pemba iam binding set" reads it. What counts there also stands above it: see
"pemba iam what".`,
		Example: "  pemba iam binding list folder/b1g0123456789abcdefg",
		Args:    exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		return rows(a, "", func(token string) ([]*iamv1.AccessBinding, string, error) {
			r, err := ask(ctx, s.call, newAdmin, iamv1.AdminServiceClient.ListAccessBindings,
				&iamv1.ListAccessBindingsRequest{Resource: on, PageSize: iamPage, PageToken: token})
			return r.GetAccessBindings(), r.GetNextPageToken(), err
		}, func(b *iamv1.AccessBinding) []string { return []string{b.GetRoleId(), subjectText(b.GetSubject())} })
	})
}

func (a *app) bindingDeltaCommand(verb, short string, action iamv1.AccessBindingDelta_Action) *cobra.Command {
	return a.identified(&cobra.Command{
		Use: verb + " RESOURCE ROLE SUBJECT...", Short: short,
		Long:    short + ". Prints what changed; nothing is printed for what was so already.",
		Example: "  pemba iam binding " + verb + " folder/b1g0123456789abcdefg compute.editor serviceAccount:aje0123456789abcdefg",
		Args:    minArgs(3),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		r := &iamv1.UpdateAccessBindingsRequest{Resource: on}
		var from []input
		for _, text := range args[2:] {
			from = append(from, input{text: text})
			who, err := parseSubjectID(text)
			if err != nil {
				return err
			}
			r.AccessBindingDeltas = append(r.AccessBindingDeltas, &iamv1.AccessBindingDelta{Action: action, AccessBinding: &iamv1.AccessBinding{RoleId: args[1], Subject: who}})
		}
		reply, err := askChange(ctx, s, "the change", newAdmin, iamv1.AdminServiceClient.UpdateAccessBindings, r)
		if err != nil {
			return placed(err, from)
		}
		return a.printDeltas(reply.GetEffectiveDeltas())
	})
}

func (a *app) bindingSetCommand() *cobra.Command {
	var empty bool
	cmd := a.identified(&cobra.Command{
		Use: "set RESOURCE FILE", Short: "Make what is granted on a resource that of a file",
		Long: `Make what is granted on a resource that of a file, one "ROLE SUBJECT" a line, at
once: all else is revoked there. Lines that begin with "//" are comments; "-" reads
standard input. Prints what changed. A file without a binding is taken for a mistake,
unless --empty says that it is none.`,
		Example: "  pemba iam binding set folder/b1g0123456789abcdefg bindings.txt",
		Args:    exactArgs(2),
	}, func(ctx context.Context, s *servers, args []string) error {
		on, err := parseResource(args[0])
		if err != nil {
			return err
		}
		bindings, from, err := a.readBindings(args[1])
		switch {
		case err != nil:
			return err
		case len(bindings) == 0 && !empty:
			return fmt.Errorf("there is no binding in the file, so all would be revoked on %s; say --empty if that is meant", resourceText(on))
		}
		reply, err := askChange(ctx, s, "the change", newAdmin, iamv1.AdminServiceClient.SetAccessBindings,
			&iamv1.SetAccessBindingsRequest{Resource: on, AccessBindings: bindings})
		if err != nil {
			return placed(err, from)
		}
		return a.printDeltas(reply.GetEffectiveDeltas())
	})
	cmd.Flags().BoolVar(&empty, "empty", false, "revoke all if the file has no binding")
	return cmd
}

// readBindings reads one "ROLE SUBJECT" a line, and says where each stands.
func (a *app) readBindings(file string) ([]*iamv1.AccessBinding, []input, error) {
	data, err := a.readFile(file)
	if err != nil {
		return nil, nil, err
	}
	if file == "-" {
		file = ""
	}
	var out []*iamv1.AccessBinding
	var from []input
	var wrong error
	err = readLines(bytes.NewReader(data), file, func(in input) bool {
		words := strings.Fields(in.text)
		if len(words) != 2 {
			wrong = in.wrong(fmt.Errorf("%q: a line is ROLE SUBJECT, as viewer userAccount:ID", in.text))
			return false
		}
		who, err := parseSubjectID(words[1])
		if err != nil {
			wrong = in.wrong(err)
			return false
		}
		out, from = append(out, &iamv1.AccessBinding{RoleId: words[0], Subject: who}), append(from, in)
		return true
	})
	return out, from, errors.Join(err, wrong)
}

func (a *app) printDeltas(deltas []*iamv1.AccessBindingDelta) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, d := range deltas {
		if a.json {
			if err := printTree(a.out, d); err != nil {
				return err
			}
			continue
		}
		what := "granted"
		if d.GetAction() == iamv1.AccessBindingDelta_ACTION_REMOVE {
			what = "revoked"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", what, d.GetAccessBinding().GetRoleId(), subjectText(d.GetAccessBinding().GetSubject()))
	}
	return w.Flush()
}
