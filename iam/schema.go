package iam

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"unsafe"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
)

// maxCatalogue bounds a catalogue's source, in bytes.
const maxCatalogue = 8 << 20

// knownCatalogue is the catalogue of a record, by the record's own memory.
type knownCatalogue struct {
	record []byte
	*catalogue.Catalogue
}

// schema makes the engine's schema of what a view holds: the catalogue and the
// custom roles.
func (s *Service) schema(v authz.LayerView) (string, error) {
	c, err := s.catalogueAt(&v)
	if err != nil {
		return "", err
	}
	var ids []string
	if _, err := load(&v, customRolesKey, &ids); err != nil {
		return "", err
	}
	var custom []catalogue.CustomRole
	for _, id := range ids {
		var r Role
		found, err := load(&v, roleKey(id), &r)
		if err != nil || !found {
			return "", fmt.Errorf("custom role %s: found %v: %w", id, found, err)
		}
		custom = append(custom, catalogue.CustomRole{ID: id, Permissions: r.Permissions})
	}
	return c.Schema(custom), nil
}

// catalogueAt returns the catalogue that is in force at a view.
func (s *Service) catalogueAt(v *authz.LayerView) (*catalogue.Catalogue, error) {
	record, ok := v.Record(catalogueKey)
	if !ok {
		return nil, notFounded()
	}
	if k := s.catalogue.Load(); k != nil && unsafe.SliceData(k.record) == unsafe.SliceData(record) && len(k.record) == len(record) {
		return k.Catalogue, nil
	}
	source, err := unzip(record)
	if err != nil {
		return nil, broken("read the catalogue", err)
	}
	c, err := catalogue.Parse(source)
	if err != nil {
		return nil, broken("read the catalogue", err)
	}
	s.catalogue.Store(&knownCatalogue{record, c})
	return c, nil
}

// zip makes a catalogue's record.
func zip(source []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	w.Write(source) // into memory: it does not fail
	w.Close()
	return out.Bytes()
}

func unzip(record []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(record))
	if err != nil {
		return nil, err
	}
	source, err := io.ReadAll(io.LimitReader(r, maxCatalogue+1))
	if err == nil && len(source) > maxCatalogue {
		err = fmt.Errorf("more than %d bytes", maxCatalogue)
	}
	return source, err
}

// permissionOn returns the permission that an action on a resource needs, which
// its kind decides. A resource that is not there is not found.
func (s *Service) permissionOn(v *authz.LayerView, on Resource, action string) (string, error) {
	c, err := s.catalogueAt(v)
	if err != nil {
		return "", err
	}
	kind, ok := c.Kind(on.Kind)
	if !ok {
		return "", invalid("resource", on.Kind, "unknown kind of resource", "pemba iam kinds lists them")
	}
	if there, err := isThere(v, on); err != nil || !there {
		if err == nil {
			err = notFound(on)
		}
		return "", err
	}
	return kind.Permissions + "." + action, nil
}

// isThere reports whether a resource exists: an organization by its record, all
// others by standing below one.
func isThere(v *authz.LayerView, r Resource) (bool, error) {
	if r.Kind == OrganizationKind {
		_, ok := v.Record(organizationKey(r.ID))
		return ok, nil
	}
	_, ok := parentOf(v, r)
	return ok, nil
}
