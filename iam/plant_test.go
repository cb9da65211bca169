package iam

import (
	"io"
	"log/slog"
	"testing"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/check"
	"github.com/pemba-authz/pemba/cluster"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/iam/credential"
	"github.com/pemba-authz/pemba/tuple"
)

// plot is a service whose hierarchy is written straight into its tenant, so that
// a test about roles and bindings begins with as many resources and subjects as
// it likes.
type plot struct {
	*Service
	t testing.TB

	updates []authz.Update
	records []authz.RecordUpdate
}

func newPlot(t testing.TB, strict bool) *plot {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	node, err := cluster.Open(t.Context(), cluster.Config{DataDir: t.TempDir(), MinFreeDisk: -1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	checker, err := check.New(check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		checker.Close()
		if err := node.Store().Verify(); err != nil {
			t.Error(err)
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	s := New(Config{Service: authz.New(node, checker, authz.Options{}), Master: credential.NewMasterKey(), Strict: strict, Log: quiet})
	p := &plot{Service: s, t: t}
	if err := s.layer.Found(t.Context(), authz.Caller{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	key, err := newSealedKey(s.config.Master, 1)
	if err != nil {
		t.Fatal(err)
	}
	p.put(signingKey, keyringRecord{key.ID, []sealedKey{key}})
	p.records = append(p.records, authz.RecordUpdate{Key: catalogueKey, Value: zip(catalogue.ShippedSource())})
	p.commit(true)
	return p
}

func (p *plot) put(key string, v any) {
	p.records = append(p.records, authz.RecordUpdate{Key: key, Value: encode(v)})
}

func (p *plot) below(r, parent Resource) {
	p.updates = append(p.updates, authz.Update{Op: authz.Touch, Tuple: r.below(parent)})
}

func (p *plot) grant(role string, who Subject, on Resource) {
	p.updates = append(p.updates, authz.Update{Op: authz.Touch, Tuple: BindingAt{on, Binding{role, who}}.tuple()})
}

// commit writes what has been planted since the last time.
func (p *plot) commit(schema bool) {
	p.t.Helper()
	v, err := p.layer.View(p.t.Context(), authz.Consistency{Level: authz.Latest})
	if err != nil {
		p.t.Fatal(err)
	}
	w := authz.LayerWrite{At: &v, Updates: p.updates, Records: p.records, WriteSchema: schema}
	if _, err := p.layer.Commit(p.t.Context(), authz.Caller{Name: "test"}, w); err != nil {
		p.t.Fatal(err)
	}
	p.updates, p.records = nil, nil
}

func (p *plot) addOrganization(id string) Resource {
	p.put(organizationKey(id), Organization{ID: id, About: About{Name: id}})
	return Resource{OrganizationKind, id}
}

func (p *plot) addCloud(id string, in Resource) Resource {
	r := Resource{CloudKind, id}
	p.put(cloudKey(id), Cloud{ID: id, OrganizationID: in.ID, About: About{Name: id}})
	p.below(r, in)
	return r
}

func (p *plot) addFolder(id string, in Resource) Resource {
	r := Resource{FolderKind, id}
	p.put(folderKey(id), Folder{ID: id, CloudID: in.ID, About: About{Name: id}})
	p.below(r, in)
	return r
}

func (p *plot) addAccount(id string, in Resource) Subject {
	p.put(accountKey(id), Account{ID: id, FolderID: in.ID, About: About{Name: id}})
	p.below(Resource{ServiceAccountKind, id}, in)
	return Subject{ServiceAccount, id}
}

func (p *plot) addUser(u User) Subject {
	p.put(userKey(u.ID), u)
	return u.Subject()
}

func (p *plot) addGroup(id string, in Resource, members ...Subject) Subject {
	p.put(groupKey(id), Group{ID: id, OrganizationID: in.ID, About: About{Name: id}})
	p.below(Resource{GroupKind, id}, in)
	for _, m := range members {
		p.updates = append(p.updates, authz.Update{Op: authz.Touch, Tuple: memberOf(id, m)})
	}
	return Subject{GroupSubject, id}
}

// as returns a call of a subject.
func (p *plot) as(who Subject) *Call {
	p.t.Helper()
	v, err := p.view(p.t.Context(), authz.Consistency{Level: authz.Latest})
	if err != nil {
		p.t.Fatal(err)
	}
	ring, err := p.keyring(v)
	if err != nil {
		p.t.Fatal(err)
	}
	now := v.Time / 1e9
	return &Call{Token: ring.current.Sign(&credential.Claims{
		ID: credential.NewID("tok"), SubjectType: string(who.Type), SubjectID: who.ID, IssuedAt: now, ExpiresAt: now + 3600,
	})}
}

func memberOf(group string, who Subject) tuple.Tuple {
	return tuple.Tuple{Object: tuple.Object{Type: groupType, ID: group}, Relation: memberRelation, Subject: who.tuple()}
}

func deleted(t tuple.Tuple) authz.Update { return authz.Update{Op: authz.Delete, Tuple: t} }

func dropped(key string) authz.RecordUpdate { return authz.RecordUpdate{Key: key, Delete: true} }
