package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"

	"github.com/pemba-authz/pemba/iam/credential"
	iamv1 "github.com/pemba-authz/pemba/proto/pemba/iam/v1"
)

func (a *app) iamKeyCommand() *cobra.Command {
	return nouns("key", "Authorized keys, with which service accounts get tokens",
		a.keyListCommand(), a.keyGetCommand(), a.keyCreateCommand(), a.keyDeleteCommand())
}

var newKeys = iampb.NewKeyServiceClient

func (a *app) keyListCommand() *cobra.Command {
	var account string
	cmd := a.identified(&cobra.Command{Use: "list", Short: "List the keys of a service account, the caller's own without --account", Args: exactArgs(0)},
		func(ctx context.Context, s *servers, _ []string) error {
			return rows(a, "ID ALGORITHM CREATED DESCRIPTION", func(token string) ([]*iampb.Key, string, error) {
				r, err := ask(ctx, s.call, newKeys, iampb.KeyServiceClient.List,
					&iampb.ListKeysRequest{ServiceAccountId: account, PageSize: iamPage, PageToken: token})
				return r.GetKeys(), r.GetNextPageToken(), err
			}, func(k *iampb.Key) []string {
				return []string{k.GetId(), k.GetKeyAlgorithm().String(), momentText(k.GetCreatedAt()), k.GetDescription()}
			})
		})
	cmd.Flags().StringVar(&account, "account", "", "`ID` of the service account")
	return cmd
}

func (a *app) keyGetCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "get ID", Short: "Print a key's public half", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			k, err := ask(ctx, s.call, newKeys, iampb.KeyServiceClient.Get, &iampb.GetKeyRequest{KeyId: args[0]})
			if err != nil {
				return err
			}
			if err := a.facts(k, "id", k.GetId(), "account", k.GetServiceAccountId(), "algorithm", k.GetKeyAlgorithm().String(),
				"description", k.GetDescription(), "created", momentText(k.GetCreatedAt())); err != nil || a.json {
				return err
			}
			_, err = fmt.Fprint(a.out, k.GetPublicKey())
			return err
		})
}

func (a *app) keyCreateCommand() *cobra.Command {
	var account, out, description string
	bits := keyBits(2048)
	cmd := a.identified(&cobra.Command{
		Use: "create [--account ACCOUNT] --out FILE", Short: "Make a key for a service account; print its id",
		Long: `Make a key for a service account. It is made here and written to a new file, which only
the user may read; the server gets its public half. The file is what the cloud's
tools take as a key file.`,
		Example: "  pemba iam key create --account aje0123456789abcdefg --out ci.json",
		Args:    exactArgs(0),
	}, func(ctx context.Context, s *servers, _ []string) error {
		f, err := newKeyFile(out, int(bits))
		if err != nil {
			return err
		}
		r, err := askChange(ctx, s, "adding the key", newAdmin, iamv1.AdminServiceClient.AddKey,
			&iamv1.AddKeyRequest{ServiceAccountId: account, Description: description, PublicKey: f.key.PublicKey})
		if err != nil {
			f.discard()
			return err
		}
		f.key.ID, f.key.ServiceAccountID, f.key.CreatedAt = r.GetKeyId(), r.GetServiceAccountId(), r.GetCreatedAt().AsTime()
		if err := f.complete(); err != nil {
			return err
		}
		return a.printMadeID(r, r.GetKeyId())
	})
	cmd.Flags().StringVar(&account, "account", "", "`ID` of the service account; without it the caller's own")
	cmd.Flags().StringVar(&out, "out", "", "new `FILE` for the key")
	cmd.Flags().StringVar(&description, "description", "", "what it is for, up to 256 characters")
	cmd.Flags().Var(&bits, "bits", "size of the key: 2048 or 4096")
	return needing(cmd, "out")
}

func (a *app) keyDeleteCommand() *cobra.Command {
	return a.identified(&cobra.Command{Use: "delete ID", Short: "Delete a key; tokens that were made with it are not valid any more", Args: exactArgs(1)},
		func(ctx context.Context, s *servers, args []string) error {
			return a.printOperation(outcome(ctx, s, "deleting the key", newKeys, iampb.KeyServiceClient.Delete, &iampb.DeleteKeyRequest{KeyId: args[0]}))
		})
}

// keyBits is the flag of a key's size.
type keyBits int

func (b *keyBits) String() string { return fmt.Sprint(int(*b)) }
func (b *keyBits) Type() string   { return "BITS" }

func (b *keyBits) Set(text string) error {
	switch strings.TrimSpace(text) {
	case "2048":
		*b = 2048
	case "4096":
		*b = 4096
	default:
		return credential.ErrKeyBits
	}
	return nil
}
