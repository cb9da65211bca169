package iam

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// Binding grants a role to a subject on a resource.
type Binding struct {
	RoleID  string  `json:"roleId"`
	Subject Subject `json:"subject"`
}

// BindingAt is a binding and the resource that it is on.
type BindingAt struct {
	Resource Resource `json:"resource"`
	Binding
}

// BindingDelta adds a binding or removes one.
type BindingDelta struct {
	Remove  bool    `json:"remove,omitempty"`
	Binding Binding `json:"binding"`
}

// Limits of bindings.
const (
	MaxBindings      = 1000 // on a resource
	MaxBindingDeltas = 1000 // of a call
)

func compareBindings(a, b Binding) int {
	return cmp.Or(cmp.Compare(a.RoleID, b.RoleID), cmp.Compare(a.Subject.Type, b.Subject.Type), cmp.Compare(a.Subject.ID, b.Subject.ID))
}

// tuple returns the one tuple that is the binding.
func (b BindingAt) tuple() tuple.Tuple {
	return tuple.Tuple{Object: b.Resource.object(), Relation: catalogue.RelationOf(b.RoleID), Subject: b.Subject.tuple()}
}

// bindingOf is the contrary of tuple, for tuples of a role's relation.
func bindingOf(t tuple.Tuple) BindingAt {
	return BindingAt{resourceOf(t.Object.ID), Binding{roleOf(t.Relation), subjectOf(t.Subject)}}
}

// isRole reports whether a relation of resources is a role's.
func isRole(relation string) bool { return strings.HasPrefix(relation, rolePrefix) }

// roleOf returns the role of such a relation. No role's id has a '_'.
func roleOf(relation string) string {
	return strings.ReplaceAll(strings.TrimPrefix(relation, rolePrefix), "_", "-")
}

// bindingsOn returns the bindings on a resource, by role and subject.
func bindingsOn(v *authz.LayerView, on Resource) []Binding {
	var out []Binding
	for t := range v.TuplesOf(on.object(), isRole) {
		out = append(out, bindingOf(t).Binding)
	}
	slices.SortFunc(out, compareBindings)
	return out
}

// Bindings lists the bindings on a resource, by role and subject.
func (s *Service) Bindings(ctx context.Context, call *Call, on Resource, p Page) ([]Binding, string, error) {
	l, err := s.list(ctx, call, p, "bindings "+on.String())
	if err != nil {
		return nil, "", err
	}
	if err := l.must(ctx, on, "listAccessBindings"); err != nil {
		return nil, "", err
	}
	all := bindingsOn(l.view, on)
	from, to, next := l.cut(len(all))
	return all[from:to], next, nil
}
