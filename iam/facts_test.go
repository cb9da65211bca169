package iam

import (
	"testing"

	"github.com/pemba-authz/pemba/authz"
)

// allows asks as a service does, about a subject that it knows.
func (s *site) allows(who Subject, permission string, path ...Resource) bool {
	s.t.Helper()
	a, err := s.Authorize(s.t.Context(), &AuthorizeRequest{Subject: who, Permission: permission, Path: path, Consistency: authz.Consistency{Level: authz.Latest}})
	if err != nil {
		s.t.Fatal(err)
	}
	return a.Allowed
}

// The rows of table 1.1: to each kind of subject a role can be granted, under
// the wire's type and id, and nobody else has it then.
func TestFacts_1_1_SubjectsOfBindings(t *testing.T) {
	s := newSite(t)
	ann, bob := s.newUser("ann"), s.newUser("bob")
	robot, other := s.newAccount("robot", s.folder()), s.newAccount("other", s.folder())
	fed := s.done(s.AddUser(t.Context(), s.owner, s.OrganizationID, User{Type: FederatedUser, Login: "fred", FederationID: "f1"})).User.Subject()
	crew := s.newGroup("crew", ann, robot)
	anonymous := Subject{}
	for _, row := range []struct {
		name, typ string
		id        string
		has, not  []Subject
	}{
		{"user account", "userAccount", ann.ID, []Subject{ann}, []Subject{bob, robot, fed, anonymous}},
		{"service account", "serviceAccount", robot.ID, []Subject{robot}, []Subject{ann, other, fed, anonymous}},
		{"federated user", "federatedUser", fed.ID, []Subject{fed}, []Subject{ann, robot, anonymous}},
		{"local user, as a user account", "userAccount", bob.ID, []Subject{bob}, []Subject{ann, anonymous}},
		{"user group: users and service accounts", "group", crew.ID, []Subject{ann, robot}, []Subject{bob, other, fed, anonymous}},
		{"system group: users of the organization, no service accounts", "system", "group:organization:" + s.OrganizationID + ":users", []Subject{ann, bob, fed}, []Subject{robot, anonymous}},
		{"system group: users of a federation", "system", "group:federation:f1:users", []Subject{fed}, []Subject{ann, robot, anonymous}},
		{"public group: whoever has authenticated", "system", "allAuthenticatedUsers", []Subject{ann, robot, fed}, []Subject{anonymous}},
		{"public group: everybody", "system", "allUsers", []Subject{ann, robot, fed, anonymous}, nil},
	} {
		b := Binding{"compute.images.user", Subject{SubjectType(row.typ), row.id}}
		s.done(s.SetBindings(t.Context(), s.owner, s.folder(), []Binding{b}))
		for _, who := range row.has {
			if !s.allows(who, "compute.images.use", s.folder()) {
				t.Errorf("%s: %s lacks it", row.name, who)
			}
		}
		for _, who := range row.not {
			if s.allows(who, "compute.images.use", s.folder()) {
				t.Errorf("%s: %s has it", row.name, who)
			}
		}
	}
	_, err := s.SetBindings(t.Context(), s.owner, s.folder(), []Binding{{"viewer", Subject{"invitee", ann.ID}}})
	s.refuses("INVALID_FIELD", err) // invitees are not there
}

// The kinds that 1.2 names: what is granted on the organization, the cloud and
// the folder counts for each, what is granted on one only there.
func TestFacts_1_2_ResourceKinds(t *testing.T) {
	s := newSite(t)
	robot := s.newAccount("robot", s.folder())
	viewer, onCloud, onOrganization := s.newAccount("v", s.folder(), "viewer"), s.newAccount("c", s.folder()), s.newAccount("o", s.folder())
	s.give("viewer", onCloud, s.cloud())
	s.give("viewer", onOrganization, s.organization())
	account := Resource{ServiceAccountKind, robot.ID}
	key, err := s.AddKey(t.Context(), s.owner, robot.ID, "", otherKeys().public)
	if err != nil {
		t.Fatal(err)
	}
	lone := s.newAccount("lone", s.folder())
	for _, row := range []struct {
		kind, permission string
		below            Resource
	}{
		{ServiceAccountKind, "iam.serviceAccounts.get", s.folder()},
		{KeyKind, "iam.keys.get", account},
		{"iam.accessKey", "iam.accessKeys.get", account},
		{"iam.apiKey", "iam.apiKeys.get", account},
		{"iam.federatedCredential", "iam.federatedCredentials.get", account},
		{"iam.workloadIdentityFederation", "iam.workloadIdentityFederations.get", s.folder()},
		{"compute.instance", "compute.instances.get", s.folder()},
		{"compute.instanceGroup", "compute.instanceGroups.get", s.folder()},
		{"load-balancer.networkLoadBalancer", "load-balancer.networkLoadBalancers.get", s.folder()},
		{"alb.loadBalancer", "alb.loadBalancers.get", s.folder()},
		{"k8s.cluster", "k8s.clusters.get", s.folder()},
		{"kms.symmetricKey", "kms.symmetricKeys.get", s.folder()},
	} {
		r := Resource{row.kind, "r1"}
		switch row.kind {
		case ServiceAccountKind:
			r = account
		case KeyKind:
			r.ID = key.ID
		default:
			s.done(s.Register(t.Context(), s.owner, r, row.below, ""))
		}
		for _, who := range []Subject{viewer, onCloud, onOrganization} {
			if !s.allows(who, row.permission, r) {
				t.Errorf("%s: %s, viewer above it, lacks %s", row.kind, who, row.permission)
			}
		}
		if s.allows(lone, row.permission, r) {
			t.Errorf("%s: everybody has %s", row.kind, row.permission)
		}
		if row.kind == KeyKind || row.below == account {
			continue // what they allow is the account's to say
		}
		s.done(s.SetBindings(t.Context(), s.owner, r, []Binding{{"viewer", lone}}))
		if !s.allows(lone, row.permission, r) || s.allows(lone, row.permission, row.below) {
			t.Errorf("%s: a role on it counts %v there, %v above", row.kind, s.allows(lone, row.permission, r), s.allows(lone, row.permission, row.below))
		}
		s.done(s.SetBindings(t.Context(), s.owner, r, nil))
	}
	for _, kind := range []string{OrganizationKind, CloudKind, FolderKind, GroupKind, "organization-manager.federation", "billing.account", "quota-manager.quotaRequest"} {
		c, err := s.catalogueAt(s.now())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Kind(kind); !ok {
			t.Errorf("no kind %s", kind)
		}
	}
}

// 1.5.4: what editors and admins may not do is not in their roles; 1.4, row 4:
// iam.auditor sees the folder and the cloud.
func TestFacts_1_5_4_ExclusionsAreAbsentPermissions(t *testing.T) {
	s := newSite(t)
	who := map[string]Subject{}
	for _, role := range []string{"editor", "admin", "iam.auditor"} {
		a := s.newAccount("who-"+role[:3], s.folder())
		s.give(role, a, s.organization())
		who[role] = a
	}
	for _, row := range []struct {
		role, permission string
		on               Resource
		want             bool
	}{
		{"editor", "resource-manager.folders.update", s.folder(), true},
		{"editor", "resource-manager.folders.updateAccessBindings", s.folder(), false},
		{"editor", "organization-manager.organizations.delete", s.organization(), false},
		{"editor", "organization-manager.organizations.transfer", s.organization(), false},
		{"editor", "kms.symmetricKeys.create", s.folder(), true},
		{"editor", "kms.symmetricKeys.delete", s.folder(), false},
		{"admin", "kms.symmetricKeys.delete", s.folder(), true},
		{"admin", "resource-manager.folders.updateAccessBindings", s.folder(), true},
		{"admin", "organization-manager.organizations.delete", s.organization(), false},
		{"admin", "organization-manager.organizations.transfer", s.organization(), false},
		{"admin", OrganizationOwner, s.organization(), false},
		{"iam.auditor", "resource-manager.folders.get", s.folder(), true},
		{"iam.auditor", "resource-manager.clouds.get", s.cloud(), true},
		{"iam.auditor", "resource-manager.folders.update", s.folder(), false},
	} {
		if got := s.allows(who[row.role], row.permission, row.on); got != row.want {
			t.Errorf("%s has %s: %v", row.role, row.permission, got)
		}
	}
}

// 1.5.9: a change counts for whoever asks with its token, at once.
func TestFacts_1_5_9_ChangesTakeEffectWithTheirToken(t *testing.T) {
	s := newSite(t)
	robot := s.newAccount("robot", s.folder())
	for _, remove := range []bool{false, true} {
		op := s.done(s.UpdateBindings(t.Context(), s.owner, s.folder(), []BindingDelta{{Remove: remove, Binding: Binding{"viewer", robot}}}))
		a, err := s.Authorize(t.Context(), &AuthorizeRequest{
			Subject: robot, Permission: "resource-manager.folders.get", Path: []Resource{s.folder()},
			Consistency: authz.Consistency{Level: authz.AtLeast, Token: op.Token},
		})
		if err != nil || a.Allowed == remove {
			t.Errorf("after remove=%v: %v, %v", remove, a.Allowed, err)
		}
	}
}
