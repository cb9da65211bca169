package iam

import (
	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// knownNames are what a catalogue's permissions and roles are called in the schema.
type knownNames struct {
	catalogue *catalogue.Catalogue
	of        map[string]string
}

// askable returns the name in the schema of a permission or a role, and refuses
// everything else that the schema has.
func (s *Service) askable(v *authz.LayerView, name string) (string, error) {
	c, err := s.catalogueAt(v)
	if err != nil {
		return "", err
	}
	names := s.names.Load()
	if names == nil || names.catalogue != c {
		names = namesOf(c)
		s.names.Store(names)
	}
	if asked, ok := names.of[name]; ok {
		return asked, nil
	}
	if _, custom := v.Record(roleKey(name)); custom {
		return catalogue.NameOf(name), nil
	}
	return "", &Error{Code: authz.Invalid, Reason: "UNKNOWN_PERMISSION", Field: "permission", Value: name,
		Message: "there is no such permission", Fix: "name a permission or a role of the catalogue"}
}

func namesOf(c *catalogue.Catalogue) *knownNames {
	n := &knownNames{c, map[string]string{}}
	for _, p := range c.Permissions() {
		n.of[p] = catalogue.NameOf(p)
	}
	for _, r := range c.Roles() {
		n.of[r.ID] = catalogue.NameOf(r.ID)
	}
	return n
}
