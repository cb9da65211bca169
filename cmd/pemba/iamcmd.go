package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/pemba-authz/pemba/iam/credential"
)

func (a *app) iamCommand() *cobra.Command {
	cmd := group("iam", "Manage accounts, keys, roles and access bindings of the IAM layer")
	cmd.Long = `Manage the IAM layer: organizations, clouds, folders and what stands in them,
service accounts, keys, groups, users, roles and access bindings. Servers have it
if they are started with a master key.

  pemba iam master-key > master.key
  pemba serve --iam-master-key-file master.key
  pemba iam init --key-file owner.json

From then on commands say who they are with the key file of a service account,
--iam-key-file or $PEMBA_IAM_KEY_FILE, or with an IAM token, --iam-token or
$PEMBA_IAM_TOKEN.

A resource is written KIND/ID, as compute.instance/web-1 ("pemba iam kinds" lists
the kinds); organization, cloud, folder, account and group are short for the kinds
of these. A subject is written TYPE:ID: userAccount:ID, serviceAccount:ID,
federatedUser:ID, group:ID, system:allUsers.`
	cmd.AddCommand(
		a.iamMasterKeyCommand(), a.iamInitCommand(), a.iamTokenCommand(),
		a.iamOrganizationCommand(), a.iamCloudCommand(), a.iamFolderCommand(),
		a.iamAccountCommand(), a.iamKeyCommand(), a.iamGroupCommand(), a.iamUserCommand(),
		a.iamRoleCommand(), a.iamBindingCommand(),
		a.iamResourceCommand(), a.iamKindsCommand(), a.iamCatalogueCommand(),
		a.iamWhyCommand(), a.iamWhoCommand(), a.iamWhatCommand(),
		a.iamAuthorizeCommand(), a.iamAuthenticateCommand(),
		a.iamOperationCommand(), a.iamRotateCommand(),
	)
	return cmd
}

// nouns is a group that also answers to its plural.
func nouns(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := group(use, short)
	cmd.Aliases = []string{use + "s"}
	cmd.AddCommand(commands...)
	return cmd
}

// identified is a command whose caller shows who he is with an IAM token.
func (a *app) identified(cmd *cobra.Command, w work) *cobra.Command {
	a.identifying(cmd)
	cmd.RunE = a.dialled(func(ctx context.Context, s *servers, args []string) error {
		made, err := a.identify(ctx, s)
		if err != nil {
			return withoutLayer(err)
		}
		return withoutLayer(w(withIAMToken(ctx, made.GetIamToken()), s, args))
	})
	return cmd
}

// identifying adds the flags of such a command.
func (a *app) identifying(cmd *cobra.Command) {
	a.connecting(cmd)
	a.credentialOptions.addConnection(cmd)
	a.identityOptions.add(cmd)
}

// keyed is a command that the server's keys admit.
func (a *app) keyed(cmd *cobra.Command, w work) *cobra.Command {
	a.askingCluster(cmd, func(ctx context.Context, s *servers, args []string) error {
		return withoutLayer(w(ctx, s, args))
	})
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := before(cmd, args); err != nil {
			return err
		}
		return notAccountsKey(a.keyFile)
	}
	return cmd
}

// notAccountsKey refuses the key file of an account where a server's key is
// wanted. What else is wrong with a file, its reader says.
func notAccountsKey(file string) error {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() { // a pipe is read once
		return nil
	}
	data, err := readAll(file)
	if err != nil {
		return nil
	}
	if _, err := credential.ParseKeyFile(data); err != nil {
		return nil
	}
	return fmt.Errorf("%s is the key file of a service account, and --key-file is for a key of the server; \"pemba iam token\" makes a token to ask with", file)
}

func withIAMToken(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// withoutLayer says what a server lacks that does not know a service of the IAM
// layer.
func withoutLayer(err error) error {
	var remote *remoteError
	if !errors.As(err, &remote) || remote.status.Code() != codes.Unimplemented || !strings.Contains(remote.status.Message(), "unknown service") {
		return err
	}
	return fmt.Errorf("%s has no IAM layer; start every node with --iam-master-key-file (\"pemba iam master-key\" makes the key)", remote.addr)
}
