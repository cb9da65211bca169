package iam

import (
	"context"
	"fmt"
	"slices"

	"github.com/pemba-authz/pemba/authz"
	"github.com/pemba-authz/pemba/iam/catalogue"
	"github.com/pemba-authz/pemba/tuple"
)

// allows reports whether the caller has a permission, or a role, on a resource.
func (c *Caller) allows(ctx context.Context, v *authz.LayerView, name string, on Resource) (bool, error) {
	a, err := v.CheckSet(ctx, on.object(), catalogue.NameOf(name), c.whole())
	if err != nil {
		return false, err
	}
	return a.Decision == authz.Allowed, nil
}

// must refuses a caller who lacks a permission.
func (c *Caller) must(ctx context.Context, v *authz.LayerView, permission string, on Resource) error {
	ok, err := c.allows(ctx, v, permission, on)
	if err != nil {
		return err
	}
	if !ok {
		return denied(c.Subject, permission, on)
	}
	return nil
}

// witness returns tuples that, while they are all there, give the caller what is
// asked: those on the way that an explanation shows. The way of an allowed
// question holds nothing but unions and arrows, so each tuple on it is needed
// and together they suffice, whatever else changes.
func (c *Caller) witness(ctx context.Context, v *authz.LayerView, name string, on Resource) (keys []tuple.Key, ok bool, err error) {
	if ok, err = c.allows(ctx, v, name, on); err != nil || !ok {
		return nil, false, err // without all the reasons, which are many
	}
	why, err := v.Explain(ctx, c.question(catalogue.NameOf(name), on))
	if err != nil {
		return nil, false, err
	}
	if keys = appendTuples(nil, why.Root); why.Decision != authz.Allowed || !leads(on.object(), keys, c.all()) {
		return nil, false, broken("find what allows", fmt.Errorf("%s on %s: %v by %v", name, on, why.Decision, keys))
	}
	return keys, true, nil
}

// leads reports whether tuples are a way from an object to one of the subjects, each
// from where the one before leads: nothing of it was left out.
func leads(from tuple.Object, keys []tuple.Key, to []tuple.Subject) bool {
	for i, k := range keys {
		if k.Object != from {
			return false
		}
		if i == len(keys)-1 {
			return slices.Contains(to, k.Subject)
		}
		from = tuple.Object{Type: k.Subject.Type, ID: k.Subject.ID}
	}
	return false
}

func appendTuples(keys []tuple.Key, s *authz.Step) []tuple.Key {
	if s.Outcome != authz.OutcomeAllowed {
		return keys
	}
	if s.Tuple != nil {
		keys = append(keys, s.Tuple.Key())
	}
	for _, child := range s.Children {
		if child.Outcome == authz.OutcomeAllowed {
			return appendTuples(keys, child)
		}
	}
	return keys
}
