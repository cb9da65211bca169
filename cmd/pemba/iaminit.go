package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/pemba-authz/pemba/iam/credential"
	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamMasterKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "master-key", Short: "Make a master key",
		Long: `Make a master key and print it. All nodes of a cluster are started with the same one,
"pemba serve --iam-master-key-file": it seals the secrets that they replicate. Keep
a copy where no backup of the data is: without it nobody can read them.`,
		Example: "  (umask 077; pemba iam master-key > master.key)",
		Args:    exactArgs(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, credential.NewMasterKey().Text())
			return err
		},
	}
}

func (a *app) iamInitCommand() *cobra.Command {
	r := &iamv1.InitializeRequest{}
	var file string
	bits := keyBits(2048)
	cmd := &cobra.Command{
		Use: "init --key-file FILE", Short: "Make the first organization, cloud, folder and account",
		Long: `Make the first organization, cloud and folder, and a service account in it that owns
them. Its key is made here and written to a new file, which only the user may read;
the server gets its public half. The file is what the cloud's tools take as a key
file. Who may do this is who has a key of the server ($PEMBA_KEY), if it wants keys.`,
		Example: "  pemba iam init --key-file owner.json --organization acme",
		Args:    exactArgs(0),
	}
	a.connecting(cmd)
	a.credentialOptions.addConnection(cmd)
	cmd.Flags().StringVar(&file, "key-file", "", "new `FILE` for the account's key")
	cmd.Flags().StringVar(&a.key, "key", "", "`KEY` that the servers want; better in its variable")
	fromEnv(cmd, "key")
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		a.keyFile = os.Getenv(envName("key-file")) // the flag of that name is the file to make
		a.keyGiven = cmd.Flags().Changed("key")
		return before(cmd, args)
	}
	cmd.RunE = a.dialled(func(ctx context.Context, s *servers, _ []string) error {
		return withoutLayer(a.initialize(ctx, s, file, int(bits), r))
	})
	cmd.Flags().StringVar(&r.OrganizationName, "organization", "", "`NAME` of the organization")
	cmd.Flags().StringVar(&r.CloudName, "cloud", "", "`NAME` of the cloud")
	cmd.Flags().StringVar(&r.FolderName, "folder", "", "`NAME` of the folder")
	cmd.Flags().StringVar(&r.ServiceAccountName, "account", "", "`NAME` of the service account")
	cmd.Flags().Var(&bits, "bits", "size of the key: 2048 or 4096")
	return needing(cmd, "key-file")
}

func (a *app) initialize(ctx context.Context, s *servers, file string, bits int, r *iamv1.InitializeRequest) error {
	f := halfDone(file)
	if f == nil {
		var err error
		if f, err = newKeyFile(file, bits); err != nil {
			return err
		}
	}
	r.PublicKey = f.key.PublicKey
	reply, err := ask(ctx, s.persist, iamv1.NewSetupServiceClient, iamv1.SetupServiceClient.Initialize, r)
	if err != nil {
		return f.refused(s, err)
	}
	f.key.ID, f.key.ServiceAccountID, f.key.CreatedAt = reply.GetKeyId(), reply.GetServiceAccountId(), time.Now()
	if err := f.complete(); err != nil {
		return err
	}
	return a.facts(reply, "organization_id", reply.GetOrganizationId(), "cloud_id", reply.GetCloudId(),
		"folder_id", reply.GetFolderId(), "service_account_id", reply.GetServiceAccountId())
}

// refused removes the file of a key that no server has taken, and keeps one of
// which nobody knows whether a server has, perhaps at an earlier attempt.
func (f *keyFile) refused(s *servers, err error) error {
	if remoteReason(err) != "ALREADY_INITIALIZED" && (f.old || s.doubt || errors.Is(err, context.Canceled)) {
		return &hinted{error: err, always: true,
			hint: fmt.Sprintf("it may or may not have happened; give the same command again: it goes on with the key in %s", f.name)}
	}
	f.discard()
	return err
}
