package main

import (
	"fmt"

	fga "github.com/openfga/api/proto/openfga/v1"

	"github.com/pemba-authz/pemba/graph"
)

// modelOf translates a schema into the model of OpenFGA that means the same. A
// type restriction with a caveat or an expiry is left out: no tuple of a workload
// has either. What the model has no word for is an error.
func modelOf(s *graph.Schema) ([]*fga.TypeDefinition, error) {
	var types []*fga.TypeDefinition
	for _, d := range s.Definitions {
		typ := &fga.TypeDefinition{Type: d.Name, Relations: make(map[string]*fga.Userset)}
		metadata := make(map[string]*fga.RelationMetadata)
		for _, r := range d.Relations {
			if r.IsPermission() {
				rewrite, err := usersetOf(r.Rewrite)
				if err != nil {
					return nil, fmt.Errorf("%s#%s: %w", d.Name, r.Name, err)
				}
				typ.Relations[r.Name] = rewrite
				continue
			}
			direct := references(r.Types)
			if len(direct) == 0 {
				return nil, fmt.Errorf("%s#%s: it has no subjects without a caveat or an expiry", d.Name, r.Name)
			}
			typ.Relations[r.Name] = &fga.Userset{Userset: &fga.Userset_This{This: &fga.DirectUserset{}}}
			metadata[r.Name] = &fga.RelationMetadata{DirectlyRelatedUserTypes: direct}
		}
		if len(metadata) > 0 {
			typ.Metadata = &fga.Metadata{Relations: metadata}
		}
		types = append(types, typ)
	}
	return types, nil
}

func references(restrictions []graph.TypeRestriction) []*fga.RelationReference {
	var all []*fga.RelationReference
	for _, t := range restrictions {
		reference := &fga.RelationReference{Type: t.Type}
		switch {
		case t.Caveat != "" || t.Expiration:
			continue
		case t.Wildcard:
			reference.RelationOrWildcard = &fga.RelationReference_Wildcard{Wildcard: &fga.Wildcard{}}
		case t.Relation != "":
			reference.RelationOrWildcard = &fga.RelationReference_Relation{Relation: t.Relation}
		}
		all = append(all, reference)
	}
	return all
}

func usersetOf(e graph.Expr) (*fga.Userset, error) {
	switch e := e.(type) {
	case *graph.Ref:
		return &fga.Userset{Userset: &fga.Userset_ComputedUserset{ComputedUserset: &fga.ObjectRelation{Relation: e.Name}}}, nil
	case *graph.Arrow:
		if e.All {
			return nil, fmt.Errorf("%s.all(%s) has no translation", e.Tupleset, e.Target)
		}
		return &fga.Userset{Userset: &fga.Userset_TupleToUserset{TupleToUserset: &fga.TupleToUserset{
			Tupleset:        &fga.ObjectRelation{Relation: e.Tupleset},
			ComputedUserset: &fga.ObjectRelation{Relation: e.Target},
		}}}, nil
	case *graph.Union:
		children, err := usersetsOf(e.Children)
		return &fga.Userset{Userset: &fga.Userset_Union{Union: children}}, err
	case *graph.Intersection:
		children, err := usersetsOf(e.Children)
		return &fga.Userset{Userset: &fga.Userset_Intersection{Intersection: children}}, err
	case *graph.Exclusion:
		sides, err := usersetsOf([]graph.Expr{e.Base, e.Minus})
		if err != nil {
			return nil, err
		}
		return &fga.Userset{Userset: &fga.Userset_Difference{
			Difference: &fga.Difference{Base: sides.Child[0], Subtract: sides.Child[1]},
		}}, nil
	}
	return nil, fmt.Errorf("%T has no translation", e)
}

func usersetsOf(all []graph.Expr) (*fga.Usersets, error) {
	out := &fga.Usersets{}
	for _, e := range all {
		child, err := usersetOf(e)
		if err != nil {
			return nil, err
		}
		out.Child = append(out.Child, child)
	}
	return out, nil
}
