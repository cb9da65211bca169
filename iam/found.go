package iam

import (
	"cmp"
	"context"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/tuple"
)

// FoundRequest names what Found makes; an empty name is "default".
type FoundRequest struct {
	OrganizationName string
	CloudName        string
	FolderName       string
	AccountName      string
	PublicPEM        string // of the account's authorized key, whose private half its owner keeps
}

// Founded is what Found has made.
type Founded struct {
	OrganizationID string `json:"organizationId"`
	CloudID        string `json:"cloudId"`
	FolderID       string `json:"folderId"`
	AccountID      string `json:"accountId"`
	KeyID          string `json:"keyId"`
	Token          string `json:"-"` // consistency token of a view with all that
}

// foundedKey holds the Founded.
const foundedKey = "founded"

// Found begins the layer: its tenant, the catalogue of the program, a signing key
// under this node's master key; and the first organization, cloud and folder with
// a service account that owns them and has an authorized key. It may be called
// again after a crash or an unknown outcome. Once all is there the error is
// ALREADY_INITIALIZED; if it was made for the same key, its metadata says what.
// Who may call this is the front door's matter.
func (s *Service) Found(ctx context.Context, by authz.Caller, r FoundRequest) (*Founded, error) {
	public, err := credential.ParsePublicKey(r.PublicPEM)
	if err != nil {
		return nil, invalid("public_key", "", err.Error(), "send the public half of an RSA key")
	}
	for _, name := range []*string{&r.OrganizationName, &r.CloudName, &r.FolderName, &r.AccountName} {
		*name = cmp.Or(*name, "default")
		if err := checkName(*name); err != nil {
			return nil, err
		}
	}
	if err := s.layer.Found(ctx, by); err != nil {
		return nil, err
	}
	for range maxTries {
		v, err := s.layer.View(ctx, authz.Consistency{Level: authz.Latest})
		if err != nil {
			return nil, err
		}
		if !v.HasSchema() {
			if err := s.foundSchema(ctx, by, &v); err != nil && !isConflict(err) {
				return nil, err
			}
			continue
		}
		f, err := s.foundOrganization(ctx, by, &v, &r, public.N.BitLen())
		if !isConflict(err) {
			return f, err
		}
	}
	return nil, &Error{Code: authz.Aborted, Reason: "TOO_BUSY", Message: "somebody else is founding the layer", Fix: "try again shortly"}
}

// foundSchema writes what the schema needs, and the secrets.
func (s *Service) foundSchema(ctx context.Context, by authz.Caller, v *authz.LayerView) error {
	c := s.work(ctx, v)
	key, err := newSealedKey(s.config.Master, v.Time)
	if err != nil {
		return err
	}
	c.putBytes(catalogueKey, zip(catalogue.ShippedSource()))
	c.putBytes(masterKey, []byte(s.config.Master.Fingerprint()))
	c.put(signingKey, keyringRecord{Current: key.ID, Keys: []sealedKey{key}})
	c.put(janitorKey, janitorRecord{Hour: hourOf(v.Time)})
	c.write.WriteSchema = true
	_, err = s.layer.Commit(ctx, by, c.write)
	return err
}

// foundOrganization makes the first organization, or says that there is one.
func (s *Service) foundOrganization(ctx context.Context, by authz.Caller, v *authz.LayerView, r *FoundRequest, bits int) (*Founded, error) {
	if err := s.CheckMaster(ctx); err != nil {
		return nil, err
	}
	c := s.work(ctx, v)
	var was Founded
	found, err := c.load(foundedKey, &was)
	if err != nil {
		return nil, err
	}
	if found {
		return nil, alreadyFounded(v, &was, r.PublicPEM)
	}
	at := v.Time
	f := &Founded{OrganizationID: credential.NewID("bpf"), CloudID: credential.NewID("b1g"), FolderID: credential.NewID("b1g"),
		AccountID: credential.NewID("aje"), KeyID: credential.NewID("ajk")}
	o := &Organization{ID: f.OrganizationID, CreatedAt: at, About: About{Name: r.OrganizationName}}
	cloud := &Cloud{ID: f.CloudID, OrganizationID: o.ID, CreatedAt: at, About: About{Name: r.CloudName}}
	folder := &Folder{ID: f.FolderID, CloudID: cloud.ID, CreatedAt: at, About: About{Name: r.FolderName}}
	a := &Account{ID: f.AccountID, FolderID: folder.ID, CloudID: cloud.ID, CreatedAt: at, About: About{Name: r.AccountName, Description: "made by pemba iam init"}}
	k := &Key{ID: f.KeyID, AccountID: a.ID, CreatedAt: at, Description: "made by pemba iam init", Bits: bits, PublicPEM: r.PublicPEM}

	c.put(organizationKey(o.ID), o)
	c.put(organizationsKey, []string{o.ID})
	c.put(cloudKey(cloud.ID), cloud)
	c.put(cloudsKey(o.ID), 1)
	c.put(folderKey(folder.ID), folder)
	c.putAccount(a)
	c.put(keyKey(k.ID), k)
	c.put(foundedKey, f)
	who := Subject{ServiceAccount, a.ID}
	for _, t := range []tuple.Tuple{
		cloud.resource().below(o.resource()), folder.resource().below(cloud.resource()),
		a.resource().below(folder.resource()), k.resource().below(a.resource()),
		roleTuple(OrganizationOwner, o.resource(), who), roleTuple(CloudOwner, cloud.resource(), who),
	} {
		c.add(t)
	}
	for _, err := range []error{
		c.claim(o.resource(), CloudKind, cloud.Name, cloud.ID), c.claim(cloud.resource(), FolderKind, folder.Name, folder.ID),
		c.claim(cloud.resource(), ServiceAccountKind, a.Name, a.ID),
	} {
		if err != nil {
			return nil, err
		}
	}
	f.Token, err = s.layer.Commit(ctx, by, c.write)
	return f, err
}

func alreadyFounded(v *authz.LayerView, f *Founded, publicPEM string) error {
	e := precondition("ALREADY_INITIALIZED", "there is an organization already", "use its owner's key")
	var k Key
	if found, err := load(v, keyKey(f.KeyID), &k); err == nil && found && k.PublicPEM == publicPEM {
		e.Fix = "it was made for this very key: go on with it"
		e.Metadata = map[string]string{"organization_id": f.OrganizationID, "cloud_id": f.CloudID, "folder_id": f.FolderID,
			"service_account_id": f.AccountID, "key_id": f.KeyID}
	}
	return e
}
