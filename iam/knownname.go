package iam

import (
	"sync/atomic"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// knownNames are what a catalogue's permissions and roles are called in the schema.
type knownNames struct {
	catalogue *catalogue.Catalogue
	of        map[string]string
	moment    atomic.Uint64 // at which this was the catalogue, 0 = not known
}

// askable returns the name in the schema of a permission or a role, and refuses
// everything else that the schema has.
func (s *Service) askable(v *authz.LayerView, name string) (string, error) {
	names, err := s.namesAt(v)
	if err != nil {
		return "", err
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

// namesAt returns the names of the catalogue in force at a view.
func (s *Service) namesAt(v *authz.LayerView) (*knownNames, error) {
	names, moment := s.names.Load(), v.Moment()
	if names != nil && moment != 0 && names.moment.Load() == moment {
		return names, nil
	}
	c, err := s.catalogueAt(v)
	if err != nil {
		return nil, err
	}
	if names == nil || names.catalogue != c {
		names = namesOf(c)
		s.names.Store(names)
	}
	names.moment.Store(moment)
	return names, nil
}

func namesOf(c *catalogue.Catalogue) *knownNames {
	n := &knownNames{catalogue: c, of: map[string]string{}}
	for _, p := range c.Permissions() {
		n.of[p] = catalogue.NameOf(p)
	}
	for _, r := range c.Roles() {
		n.of[r.ID] = catalogue.NameOf(r.ID)
	}
	return n
}
