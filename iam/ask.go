package iam

import (
	"context"
	"fmt"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/tuple"
)

// AuthorizeRequest asks whether a caller may do something. With neither Token nor
// Subject it asks for an anonymous caller.
type AuthorizeRequest struct {
	Token       string  // IAM token
	Subject     Subject // a user or a service account that the asking service knows otherwise; without Token
	Permission  string  // or a role: does the caller have it, there or above, itself or by inclusion
	Path        []Resource
	Explain     bool // fill Binding and Path
	Consistency authz.Consistency
}

// Authorized is the answer to an AuthorizeRequest.
type Authorized struct {
	Allowed bool
	Caller  *Caller    // shared: read only
	Binding *BindingAt // that allows, with Explain
	Path    []Resource // with Explain: the request's, on to the organization
	Token   string     // consistency token of the view
}

// maxPath bounds a path's elements.
const maxPath = 128

// Authorize says whether a caller has a permission on the first resource of a
// path, the leaf.
//
// The path leads upwards. Resources that a service keeps to itself, which are
// not stored here, count by the bindings that they have, if any, and else by the
// next one. From the first that is stored on, the stored hierarchy decides; the
// path may end there, and must not contradict it. Where nothing of a path is
// stored, there is nothing that could allow.
func (s *Service) Authorize(ctx context.Context, r *AuthorizeRequest) (Authorized, error) {
	v, err := s.layer.View(ctx, r.Consistency)
	if err != nil {
		return Authorized{}, orNotFounded(err)
	}
	if !v.HasSchema() {
		return Authorized{}, notFounded()
	}
	caller, err := s.asker(&v, r.Token, r.Subject)
	if err != nil {
		return Authorized{}, err
	}
	out := Authorized{Caller: caller, Token: v.Token}
	name, err := s.askable(&v, r.Permission)
	if err != nil {
		return out, err
	}
	by, err := s.decide(ctx, &v, caller, name, r.Path)
	if err != nil {
		return out, err
	}
	out.Allowed = by >= 0
	if r.Explain {
		there := v // so that without Explain v needs no memory of its own
		out.Binding, out.Path, err = explain(ctx, &there, caller, r.Permission, r.Path, by)
	}
	return out, err
}

// orNotFounded is err, or what it means that the tenant is not there.
func orNotFounded(err error) error {
	if isUnknownTenant(err) {
		return notFounded()
	}
	return err
}

// asker returns who a service asks about.
func (s *Service) asker(v *authz.LayerView, token string, who Subject) (*Caller, error) {
	if token == "" {
		return s.callerOf(v, who)
	}
	if who != (Subject{}) {
		return nil, invalid("subject", who.String(), "there is a token as well", "name a subject or send a token")
	}
	return s.caller(v, token)
}

// parentRow holds what a resource stands in.
var parentRow = authz.Row{Type: resourceType, Relation: parentRelation, SubjectType: resourceType}

// decide returns the index of the path's element on which the engine allows, -1
// if none does.
func (s *Service) decide(ctx context.Context, v *authz.LayerView, c *Caller, name string, path []Resource) (by int, err error) {
	known, err := s.namesAt(v)
	if err != nil {
		return -1, err
	}
	if len(path) == 0 || len(path) > maxPath {
		return -1, invalid("resource_path", "", fmt.Sprintf("a path has 1 to %d resources", maxPath), "name the resource first, then what it stands in")
	}
	for i := range path {
		if err := path[i].check(); err != nil {
			return -1, at(fmt.Sprintf("resource_path[%d]", i), err)
		}
		if _, ok := known.catalogue.Kind(path[i].Kind); !ok {
			return -1, at(fmt.Sprintf("resource_path[%d]", i), unknownKind(path[i].Kind))
		}
	}
	for i, r := range path {
		o := r.object()
		parent, below, named := v.First(&parentRow, o.ID)
		if !named { // not a tuple: nothing that could allow
			if !tuple.ValidID(r.ID) {
				return -1, at(fmt.Sprintf("resource_path[%d]", i), notAnID(r.ID))
			}
			continue
		}
		stored := below || r.Kind == OrganizationKind
		if stored {
			if err := mustLeadUp(v, path, i, parent); err != nil {
				return -1, err
			}
		}
		a, err := v.CheckSet(ctx, o, name, c.whole())
		if err != nil {
			return -1, err
		}
		if a.Decision == authz.Allowed {
			return i, nil
		}
		if stored {
			return -1, nil
		}
	}
	return -1, nil
}

func unknownKind(kind string) *Error {
	return &Error{Code: authz.Invalid, Reason: "UNKNOWN_KIND", Field: "type", Value: kind,
		Message: fmt.Sprintf("there is no kind of resource %q", kind), Fix: "use one of the catalogue, as pemba iam kinds lists them"}
}

// mustLeadUp refuses a path that goes on otherwise than it should behind its
// i-th element, which is stored below parent, "" = at the top.
func mustLeadUp(v *authz.LayerView, path []Resource, i int, parent string) error {
	for k := i + 1; k < len(path); k++ {
		if !path[k].is(parent) {
			return &Error{Code: authz.Invalid, Reason: "PATH_CONTRADICTS", Field: fmt.Sprintf("resource_path[%d]", k), Value: path[k].String(),
				Message: fmt.Sprintf("the path contradicts what is stored: %s does not stand in %s", path[k-1], path[k]),
				Fix:     "leave out what stands above the first resource that is stored"}
		}
		if k+1 < len(path) {
			parent, _, _ = v.First(&parentRow, parent)
		}
	}
	return nil
}

// is reports whether r is written as text, without writing it.
func (r Resource) is(text string) bool {
	n := len(r.Kind)
	return len(text) == n+1+len(r.ID) && text[:n] == r.Kind && text[n] == '/' && text[n+1:] == r.ID
}

// check refuses what cannot be a resource, of whatever kind. What it does not
// look at, no stored id has.
func (r *Resource) check() error {
	if !isKind(r.Kind) {
		return invalid("type", r.Kind, "not a kind of resource", "a kind is SERVICE.RESOURCE, such as compute.instance")
	}
	if r.ID == "" || len(r.ID) > maxResourceID {
		return notAnID(r.ID)
	}
	return nil
}

func notAnID(id string) *Error {
	return invalid("id", id, fmt.Sprintf("an id has 1 to %d bytes, without blanks and '#'", maxResourceID), "name the resource")
}

const (
	maxKind       = 64
	maxResourceID = 256
)

func isKind(kind string) bool {
	for i := range len(kind) {
		b := kind[i]
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && b != '-' && b != '_' && b != '.' {
			return false
		}
	}
	return kind != "" && len(kind) <= maxKind
}

// explain returns the binding by which path[by] is allowed, nil if by is -1, and
// the whole path.
func explain(ctx context.Context, v *authz.LayerView, c *Caller, name string, path []Resource, by int) (*BindingAt, []Resource, error) {
	whole := path
	for i, r := range path {
		if _, below := parentOf(v, r); !below {
			continue
		}
		up, err := pathOf(v, r)
		if err != nil {
			return nil, nil, err
		}
		whole = append(path[:i:i], up...)
		break
	}
	if by < 0 {
		return nil, whole, nil
	}
	keys, ok, err := c.witness(ctx, v, name, path[by])
	if err != nil {
		return nil, nil, err
	}
	for _, k := range keys {
		if ok && k.Object.Type == resourceType && isRole(k.Relation) {
			b := BindingAt{resourceOf(k.Object.ID), Binding{roleOf(k.Relation), subjectOf(k.Subject)}}
			return &b, whole, nil
		}
	}
	return nil, nil, broken("explain what is allowed", fmt.Errorf("%s on %s: no binding in %d tuples", name, path[by], len(keys)))
}
