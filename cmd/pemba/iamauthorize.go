package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/iam"
	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
	pb "github.com/pemba-authz/pemba/proto/pemba/v1"
)

// authorizeOptions are what authorize is asked beside its question.
type authorizeOptions struct {
	consistencyFlags
	token     string
	anonymous bool
	explain   bool
}

func (a *app) iamAuthorizeCommand() *cobra.Command {
	o := &authorizeOptions{}
	cmd := a.keyed(&cobra.Command{
		Use: "authorize RESOURCE[,PARENT...] PERMISSION [SUBJECT]", Short: "Ask as a service does: may this caller do this here?",
		Long: `Ask as a service does on each request of its own: may this caller do this here? The
caller is the subject, or whoever has the IAM token of --token. The server's keys
admit who asks, as for "pemba check". A resource that the IAM layer does not know
is followed by what it stands in. Prints allowed or denied; exit status 0, 1, and 2
on an error, such as a token that has been revoked.`,
		Example: `  pemba iam authorize folder/b1g0123456789abcdefg compute.instances.create serviceAccount:aje0123456789abcdefg
  pemba iam authorize compute.disk/d1,folder/b1g0123456789abcdefg compute.disks.get --token "$TOKEN" --explain`,
		Args: betweenArgs(2, 3),
	}, func(ctx context.Context, s *servers, args []string) error {
		if err := a.readToken(&o.token); err != nil {
			return err
		}
		r, err := o.request(args)
		if err != nil {
			return err
		}
		reply, err := ask(ctx, s.call, iamv1.NewAccessServiceClient, iamv1.AccessServiceClient.Authorize, r)
		if err != nil {
			return err
		}
		return a.printAuthorized(reply)
	})
	cmd.Flags().StringVar(&o.token, "token", "", "IAM `TOKEN` of the caller; \"-\" reads it from standard input")
	cmd.Flags().BoolVar(&o.anonymous, "anonymous", false, "the caller has not authenticated")
	cmd.Flags().BoolVar(&o.explain, "explain", false, "print the access binding that allows it, or where none does")
	o.consistencyFlags.add(cmd)
	return cmd
}

// request is the question in args.
func (o *authorizeOptions) request(args []string) (*iamv1.AuthorizeRequest, error) {
	r := &iamv1.AuthorizeRequest{Permission: args[1], Explain: o.explain}
	var err error
	if r.Consistency, err = o.message(); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(args[0], ",") {
		on, err := parseResource(text)
		if err != nil {
			return nil, err
		}
		r.ResourcePath = append(r.ResourcePath, on)
	}
	switch {
	case len(args) == 3 && o.token == "" && !o.anonymous:
		who, err := parseSubjectID(args[2])
		r.Identity = &iamv1.AuthorizeRequest_Subject{Subject: who}
		return r, err
	case len(args) == 2 && o.token != "" && !o.anonymous:
		r.Identity = &iamv1.AuthorizeRequest_IamToken{IamToken: o.token}
		return r, nil
	case len(args) == 2 && o.token == "" && o.anonymous:
		r.Identity = &iamv1.AuthorizeRequest_Anonymous{Anonymous: &iamv1.Anonymous{}}
		return r, nil
	}
	return nil, errors.New("who is the caller? Give a subject, --token or --anonymous, one of them")
}

func (a *app) printAuthorized(r *iamv1.AuthorizeResponse) error {
	var err error
	if a.json {
		err = printJSON(a.out, jsonAuthorized(r))
	} else {
		_, err = fmt.Fprintln(a.out, decisionName(r.GetDecision()))
		switch {
		case err != nil:
		case r.GetGrant() != nil:
			err = a.printGrants([]*iamv1.Grant{r.GetGrant()})
		case len(r.GetResourcePath()) > 0:
			_, err = fmt.Fprintln(a.out, nothingGives(r.GetResourcePath()))
		}
	}
	if err == nil && r.GetDecision() != pb.Decision_DECISION_ALLOWED {
		err = exitStatus(exitNo)
	}
	return err
}

// nothingGives says why nobody has anything on a path that was asked for with
// --explain: there is no such binding, or the path leads nowhere.
func nothingGives(path []*iamv1.Resource) string {
	var names []string
	for _, on := range path {
		names = append(names, resourceText(on))
	}
	text := "nothing on " + strings.Join(names, ", ") + " gives it"
	if top := path[len(path)-1]; top.GetKind() != iam.OrganizationKind {
		text += "; " + resourceText(top) + " is not known here, check its kind and id"
	}
	return text
}

// authorizedJSON is the answer to authorize with --json.
type authorizedJSON struct {
	Decision     string     `json:"decision"`
	Subject      string     `json:"subject,omitempty"`
	Impersonator string     `json:"impersonator,omitempty"`
	Grant        *grantJSON `json:"grant,omitempty"`
	Path         []string   `json:"resource_path,omitempty"`
	Token        string     `json:"token"`
}

// grantJSON is an access binding and where it stands.
type grantJSON struct {
	Role     string `json:"role_id"`
	Subject  string `json:"subject"`
	Resource string `json:"resource"`
}

func jsonAuthorized(r *iamv1.AuthorizeResponse) authorizedJSON {
	j := authorizedJSON{
		Decision: decisionName(r.GetDecision()), Subject: maybeSubject(r.GetCaller().GetSubject()),
		Impersonator: maybeSubject(r.GetCaller().GetImpersonator()), Token: r.GetToken(),
	}
	if g := r.GetGrant(); g != nil {
		cells := grantCells(g)
		j.Grant = &grantJSON{cells[0], cells[1], cells[2]}
	}
	for _, on := range r.GetResourcePath() {
		j.Path = append(j.Path, resourceText(on))
	}
	return j
}

// maybeSubject is subjectText, or "" for nobody.
func maybeSubject(s *iamv1.Subject) string {
	if s == nil {
		return ""
	}
	return subjectText(s)
}

func (a *app) iamAuthenticateCommand() *cobra.Command {
	var c consistencyFlags
	cmd := a.keyed(&cobra.Command{
		Use: "authenticate TOKEN", Short: "Print whose an IAM token is",
		Long: `Print whose an IAM token is, as a service asks: "-" reads it from standard input. The
server's keys admit who asks, as for "pemba check".`,
		Args: exactArgs(1),
	}, func(ctx context.Context, s *servers, args []string) error {
		token, err := a.tokenArgument(args[0])
		if err != nil {
			return err
		}
		consistency, err := c.message()
		if err != nil {
			return err
		}
		r, err := ask(ctx, s.call, iamv1.NewAccessServiceClient, iamv1.AccessServiceClient.Authenticate,
			&iamv1.AuthenticateRequest{IamToken: token, Consistency: consistency})
		if err != nil {
			return err
		}
		return a.printCaller(r.GetCaller())
	})
	c.add(cmd)
	return cmd
}

func (a *app) printCaller(c *iamv1.Caller) error {
	return a.facts(c, "subject", maybeSubject(c.GetSubject()), "impersonated by", maybeSubject(c.GetImpersonator()), "key", c.GetKeyId(),
		"token", c.GetTokenId(), "expires", unixText(c.GetExpiresAt()))
}
