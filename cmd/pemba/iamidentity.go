package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/pemba-authz/pemba/iam/credential"
)

// identityOptions say who a client of the IAM layer is.
type identityOptions struct {
	iamKeyFile, iamTokenText string
	keyFileGiven, tokenGiven bool // on the command line
}

func (o *identityOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.iamKeyFile, "iam-key-file", "", "key `FILE` of the service account that asks, as \"pemba iam init\" and \"pemba iam key create\" write it")
	f.StringVar(&o.iamTokenText, "iam-token", "", "IAM `TOKEN` of who asks; other users of this machine can see it here, but not in its variable")
	fromEnv(cmd, "iam-key-file", "iam-token")
	// No server's key is asked for here, so there is no other file of a key.
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "key-file" {
			name = "iam-key-file"
		}
		return pflag.NormalizedName(name)
	})
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		o.keyFileGiven, o.tokenGiven = f.Changed("iam-key-file"), f.Changed("iam-token")
		return before(cmd, args)
	}
}

// identify returns the token that a command shows: the one that was given, or one
// for the account of the key file. The command line wins over variables, a token
// over a key file.
func (a *app) identify(ctx context.Context, s *servers) (*iampb.CreateIamTokenResponse, error) {
	if err := a.mayCarry("IAM token", s.addrs); err != nil {
		return nil, err
	}
	switch {
	case a.keyFileGiven && a.tokenGiven:
		return nil, errors.New("--iam-key-file and --iam-token both say who asks: give one of them")
	case a.iamTokenText != "" && !a.keyFileGiven:
		token, err := checkToken(a.iamTokenText)
		return &iampb.CreateIamTokenResponse{IamToken: token}, err
	case a.iamKeyFile == "":
		return nil, errors.New("who asks? Give the key file of a service account with --iam-key-file or PEMBA_IAM_KEY_FILE, or an IAM token with --iam-token or PEMBA_IAM_TOKEN")
	}
	return exchangeKey(ctx, s, a.iamKeyFile)
}

// exchangeKey gets a token for the account of a key file.
func exchangeKey(ctx context.Context, s *servers, file string) (*iampb.CreateIamTokenResponse, error) {
	data, err := readAll(file)
	if err != nil {
		return nil, err
	}
	key, err := credential.ParseKeyFile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	jwt, err := key.Assertion(time.Now(), credential.VendorAudience)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return ask(ctx, s.persist, newTokens, iampb.IamTokenServiceClient.Create,
		&iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: jwt}})
}
