package iam

import (
	"context"
	"errors"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/tuple"
)

// User is a user account or a federated user. pemba keeps who is in which
// organization; passwords and profiles are somebody else's.
type User struct {
	ID            string      `json:"id"`
	Type          SubjectType `json:"type"`      // UserAccount or FederatedUser
	CreatedAt     int64       `json:"createdAt"` // Unix nanoseconds
	Organizations []string    `json:"organizations,omitempty"`
	FederationID  string      `json:"federationId,omitempty"`
	Login         string      `json:"login,omitempty"` // of a user account, unique; of a federated user the federation's name for it, unique there
	Email         string      `json:"email,omitempty"`
}

// Subject returns the user as a subject.
func (u *User) Subject() Subject { return Subject{u.Type, u.ID} }

// Limits of a user's texts, in bytes.
const (
	maxLogin = 256
	maxEmail = 320
)

func (u *User) check() error {
	switch {
	case u.Type != UserAccount && u.Type != FederatedUser:
		return invalid("type", string(u.Type), "not a type of user", "use userAccount or federatedUser")
	case u.ID != "":
		return invalid("id", u.ID, "ids are given by the server", "leave it empty")
	case !isText(u.Login, maxLogin) || u.Login == "":
		return invalid("login", u.Login, "not a login", "a login is 1 to 256 bytes of printable text")
	case !isText(u.Email, maxEmail):
		return invalid("email", u.Email, "not an e-mail address", "an address is up to 320 bytes of printable text")
	case u.Type == UserAccount && u.FederationID != "":
		return invalid("federation_id", u.FederationID, "a user account is in no federation", "leave it empty, or make a federatedUser")
	case u.Type == FederatedUser:
		return checkID("federation_id", u.FederationID)
	}
	return nil
}

func isText(text string, most int) bool {
	if len(text) > most || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// userKind is the kind that names of users are claimed for. It is no resource.
const userKind = "user"

// loginScope is where a user's login is unique.
func (u *User) loginScope() Resource {
	if u.Type == FederatedUser {
		return Resource{"federation", u.FederationID}
	}
	return Resource{"user-accounts", "all"} // organizations share them
}

func userTuple(organizationID string, who Subject) tuple.Tuple {
	return tuple.Tuple{Object: Resource{OrganizationKind, organizationID}.object(), Relation: userRelation, Subject: who.tuple()}
}

// AddUser makes a user of an organization.
func (s *Service) AddUser(ctx context.Context, call *Call, organizationID string, u User) (*Operation, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, err
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	return s.change(ctx, call, "AddUser", "Add user", func(c *change) error {
		in := Resource{OrganizationKind, organizationID}
		if found, err := c.load(organizationKey(organizationID), &Organization{}); err != nil || !found {
			return orNotFound(err, in)
		}
		if err := c.require("organization-manager.users.create", in); err != nil {
			return err
		}
		if u.FederationID != "" {
			if err := c.claimFederation(u.FederationID, organizationID); err != nil {
				return err
			}
		}
		made := u
		made.ID, made.CreatedAt, made.Organizations = credential.NewID("aje"), c.view.Time, []string{organizationID}
		if err := c.claim(made.loginScope(), userKind, made.Login, made.ID); err != nil {
			return at("login", err)
		}
		c.put(userKey(made.ID), &made)
		c.add(userTuple(organizationID, made.Subject()))
		c.op.Resource, c.op.User = in, &made
		return nil
	})
}

// User returns a user, to whoever has authenticated.
func (s *Service) User(ctx context.Context, call *Call, id string) (*User, error) {
	if err := checkID("user_account_id", id); err != nil {
		return nil, err
	}
	v, _, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	return userAt(v, id)
}

func userAt(v *authz.LayerView, id string) (*User, error) {
	var u User
	if found, err := load(v, userKey(id), &u); err != nil || !found {
		return nil, orNotFound(err, Resource{userKind, id})
	}
	return &u, nil
}

// UserByLogin returns the user account with a login, to whoever has authenticated.
func (s *Service) UserByLogin(ctx context.Context, call *Call, login string) (*User, error) {
	if login == "" || len(login) > maxLogin {
		return nil, invalid("login", login, "not a login", "name it")
	}
	v, _, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	u := User{Type: UserAccount}
	id, ok := v.Record(nameKey(u.loginScope(), userKind, login))
	if !ok {
		return nil, notFound(Resource{userKind, login})
	}
	return userAt(v, string(id))
}

// Users lists the users of an organization, newest first.
func (s *Service) Users(ctx context.Context, call *Call, organizationID string, p Page) ([]*User, string, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, "", err
	}
	in := Resource{OrganizationKind, organizationID}
	l, err := s.list(ctx, call, p, "users "+organizationID)
	if err != nil {
		return nil, "", err
	}
	if err := l.mustHave(ctx, "organization-manager.users.list", in); err != nil {
		return nil, "", err
	}
	var ids []string
	for t := range l.view.Tuples(tuple.Filter{Type: resourceType, ID: in.String(), Relation: userRelation}) {
		ids = append(ids, t.Subject.ID)
	}
	from, to, next := l.cut(len(ids))
	var out []*User
	for _, id := range ids[from:to] {
		u, err := userAt(l.view, id)
		if err != nil {
			return nil, "", err
		}
		out = append(out, u)
	}
	return out, next, nil
}

// RemoveUser removes a user from an organization, with all that was granted to
// him there and with his memberships. One who is in no other is gone for good.
func (s *Service) RemoveUser(ctx context.Context, call *Call, organizationID, id string) (*Operation, error) {
	if err := checkID("organization_id", organizationID); err != nil {
		return nil, err
	}
	if err := checkID("subject_id", id); err != nil {
		return nil, err
	}
	job := deletion{}
	op, err := s.change(ctx, call, "DeleteMembership", "Delete membership", func(c *change) error {
		in := Resource{OrganizationKind, organizationID}
		var u User
		found, err := c.load(userKey(id), &u)
		if err == nil && !slices.Contains(u.Organizations, organizationID) {
			found = false
		}
		if err != nil || !found {
			return orNotFound(err, Resource{userKind, id})
		}
		if err := c.require("organization-manager.users.delete", in); err != nil {
			return err
		}
		u.Organizations = slices.DeleteFunc(u.Organizations, func(o string) bool { return o == organizationID })
		c.op.Resource, c.op.User = in, &u
		job.Subject = u.Subject()
		if len(u.Organizations) > 0 {
			return broken("remove a user", errors.New("he is in several organizations"))
		}
		c.drop(userKey(id))
		c.release(u.loginScope(), userKind, u.Login)
		return c.sweep(Resource{}, u.Subject())
	})
	return s.finish(ctx, op, err, job)
}
