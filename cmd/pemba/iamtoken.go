package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
)

var newTokens = iampb.NewIamTokenServiceClient

func (a *app) iamTokenCommand() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use: "token", Short: "Print an IAM token; revoke one",
		Long: `Print an IAM token for the account of --iam-key-file, which holds for up to twelve
hours, or, with --for, one for another account, which takes the permission
iam.serviceAccounts.createToken on it.`,
		Example: `  export PEMBA_IAM_TOKEN=$(pemba iam token --iam-key-file owner.json)
  pemba iam token --for aje0123456789abcdefg`,
		Args: exactArgs(0),
	}
	a.identifying(cmd)
	cmd.RunE = a.dialled(func(ctx context.Context, s *servers, _ []string) error {
		made, err := a.identify(ctx, s)
		if err == nil && account != "" {
			made, err = ask(withIAMToken(ctx, made.GetIamToken()), s.persist, newTokens, iampb.IamTokenServiceClient.CreateForServiceAccount,
				&iampb.CreateIamTokenForServiceAccountRequest{ServiceAccountId: account})
		}
		return withoutLayer(a.printToken(made, err))
	})
	cmd.Flags().StringVar(&account, "for", "", "`ID` of the service account that the token is to be for")
	cmd.AddCommand(a.tokenRevokeCommand())
	return cmd
}

func (a *app) printToken(made *iampb.CreateIamTokenResponse, err error) error {
	switch {
	case err != nil:
		return err
	case a.json:
		return printTree(a.out, made)
	}
	_, err = fmt.Fprintln(a.out, made.GetIamToken())
	return err
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke TOKEN", Short: "Let an IAM token not be valid any more",
		Long: `Let an IAM token not be valid any more, from now on and on every node; "-" reads it
from standard input. Whoever has the token may do this.`,
		Args: exactArgs(1),
	}
	a.connecting(cmd)
	a.credentialOptions.addConnection(cmd)
	cmd.RunE = a.dialled(func(ctx context.Context, s *servers, args []string) error {
		token, err := a.tokenArgument(args[0])
		if err == nil {
			err = a.mayCarry("IAM token", s.addrs)
		}
		if err != nil {
			return err
		}
		reply, err := ask(ctx, s.persist, newTokens, iampb.IamTokenServiceClient.Revoke, &iampb.RevokeIamTokenRequest{IamToken: token})
		return withoutLayer(a.printChange(reply, err))
	})
	return cmd
}

// tokenArgument is the token that an argument is, or that "-" says to read.
func (a *app) tokenArgument(arg string) (string, error) {
	if arg != "-" {
		return checkToken(arg)
	}
	data, err := a.readFile(arg)
	if err != nil {
		return "", err
	}
	return checkToken(string(data))
}

// checkToken is checkKey for an IAM token, without the blanks around it.
func checkToken(text string) (string, error) {
	token := strings.TrimSpace(text)
	if _, err := checkKey("", token); err != nil || token == "" {
		return "", errors.New("the IAM token is not one word of printable characters, as \"pemba iam token\" prints it")
	}
	return token, nil
}

// readToken is tokenArgument for a flag that may be left out.
func (a *app) readToken(flag *string) (err error) {
	if *flag != "" {
		*flag, err = a.tokenArgument(*flag)
	}
	return err
}

// unixText writes Unix seconds for people; 0 is "".
func unixText(s int64) string {
	if s == 0 {
		return ""
	}
	return time.Unix(s, 0).UTC().Format(time.RFC3339)
}
