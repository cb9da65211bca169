package iam

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pemba-authz/pemba/iam/catalogue"
)

// without returns the shipped catalogue without the lines that begin so.
func without(prefixes ...string) []byte {
	var out []string
	for line := range strings.SplitSeq(string(catalogue.ShippedSource()), "\n") {
		keep := true
		for _, p := range prefixes {
			keep = keep && !strings.HasPrefix(line, p)
		}
		if keep {
			out = append(out, line)
		}
	}
	return []byte(strings.Join(out, "\n"))
}

func TestSetCatalogue_ReplacesIt(t *testing.T) {
	s := newSite(t)
	source, err := s.Catalogue(t.Context(), s.owner)
	if err != nil || string(source) != string(catalogue.ShippedSource()) {
		t.Fatal(len(source), err)
	}
	next := without("# Roles: ")
	s.done(s.SetCatalogue(t.Context(), s.owner, next))
	if source, err = s.Catalogue(t.Context(), s.owner); err != nil || string(source) != string(next) {
		t.Error(len(source), err)
	}
	s.newFolder("f")
}

func TestSetCatalogue_Refuses(t *testing.T) {
	s := newSite(t)
	admin := s.newAccount("admin", s.folder())
	s.give("admin", admin, s.organization())
	_, err := s.SetCatalogue(t.Context(), s.as(admin), catalogue.ShippedSource())
	s.refuses("PERMISSION_DENIED", err)
	_, err = s.SetCatalogue(t.Context(), s.owner, []byte("nonsense"))
	s.refuses("INVALID_FIELD", err)
	_, err = s.SetCatalogue(t.Context(), s.owner, make([]byte, maxCatalogue+1))
	s.refuses("INVALID_FIELD", err)
}

func TestSetCatalogue_KeepsWhatIsGranted(t *testing.T) {
	s := newSite(t)
	const role = "access-transparency.billingProvider"
	ann := s.newUser("ann")
	s.give(role, ann, s.organization())
	next := without(role + "\t")
	_, err := s.SetCatalogue(t.Context(), s.owner, next)
	s.refuses("SCHEMA_ORPHANS_TUPLES", err)
	s.done(s.UpdateBindings(t.Context(), s.owner, s.organization(), []BindingDelta{{Remove: true, Binding: Binding{role, ann}}}))
	s.done(s.SetCatalogue(t.Context(), s.owner, next))
	_, err = s.UpdateBindings(t.Context(), s.owner, s.organization(), []BindingDelta{{Binding: Binding{role, ann}}})
	s.refuses("ROLE_NOT_FOUND", err)
}

func TestSetCatalogue_KeepsPermissionsOfCustomRoles(t *testing.T) {
	s := newSite(t)
	s.done(s.CreateRole(t.Context(), s.owner, s.OrganizationID, "mine", "", []string{"access-transparency.subscriptions.get"}))
	_, err := s.SetCatalogue(t.Context(), s.owner, without("access-transparency"))
	s.refuses("PERMISSION_IN_USE", err)
}

// The layer itself asks for some kinds, permissions and roles.
func TestSetCatalogue_KeepsWhatTheLayerNeeds(t *testing.T) {
	s := newSite(t)
	for _, line := range []string{CloudOwner + "\t", "organization-manager.group\t"} {
		_, err := s.SetCatalogue(t.Context(), s.owner, without(line))
		s.refuses("INVALID_FIELD", err)
	}
}

// Nobody else makes a node read megabytes.
func TestSetCatalogue_IsReadForItsOperatorOnly(t *testing.T) {
	s := newSite(t)
	_, err := s.SetCatalogue(t.Context(), &Call{}, []byte("nonsense"))
	s.refuses("NO_TOKEN", err)
	_, err = s.SetCatalogue(t.Context(), s.as(s.newAccount("editor", s.folder(), "editor")), []byte("nonsense"))
	s.refuses("PERMISSION_DENIED", err)
}

// A catalogue that the engine cannot work with would be the end of the layer.
func TestSetCatalogue_RefusesWhatDoesNotCompile(t *testing.T) {
	s := newSite(t)
	if err := s.mustCompile(catalogue.Shipped(), nil); err != nil {
		t.Fatal(err)
	}
	// Each permission is held by other custom roles: more text than there may be.
	const seed = 1
	dice := rand.New(rand.NewPCG(seed, seed))
	var custom []catalogue.CustomRole
	for i := range 900 {
		r := catalogue.CustomRole{ID: fmt.Sprintf("cr0%017d", i)}
		for _, p := range catalogue.Shipped().Permissions() {
			if dice.IntN(2) == 0 {
				r.Permissions = append(r.Permissions, p)
			}
		}
		custom = append(custom, r)
	}
	e := s.refuses("INVALID_FIELD", s.mustCompile(catalogue.Shipped(), custom))
	if !strings.Contains(e.Message, "the engine cannot work with it") {
		t.Error(e)
	}
}
