package bench

import (
	"fmt"
	"slices"
	"strings"
)

// The workloads: what a population looks like.
const (
	IAM    = "iam"    // the cloud example: inherited roles, nested groups
	Docs   = "docs"   // shared documents in folders in folders, and banned users
	Social = "social" // profiles with followers, a few of them with very many, and posts
	Nested = "nested" // documents shared with deeply nested groups of very many members
)

// Workloads are all of them, in the order of the constants.
var Workloads = []string{IAM, Docs, Social, Nested}

// Plan says what a population is to look like. The zero value of a field is the
// workload's default; a field that the workload does not have is an error.
type Plan struct {
	Workload string  `json:"workload"`          // "" = IAM
	Tuples   int     `json:"tuples"`            // at least MinTuples
	Seed     uint64  `json:"seed"`              // of all that is random
	Parts    int     `json:"parts,omitempty"`   // iam: organizations, docs: companies; default one for each 10,000 tuples
	Depth    int     `json:"depth,omitempty"`   // docs, nested: levels of groups, 1 = flat; default 4 and 10
	Width    int     `json:"width,omitempty"`   // docs, nested: groups that a group holds; default 3 and 2
	Members  int     `json:"members,omitempty"` // nested: users below one outermost group; default 100,000, and at most a quarter of the tuples
	Skew     float64 `json:"skew,omitempty"`    // social: how unequal followers are spread, 0 < Skew < 1: the i-th profile has a share of i^-Skew; default 0.8
	Allowed  float64 `json:"allowed,omitempty"` // all but iam: share of the questions that are allowed, 0 < Allowed < 1; default 0.3. iam: as it comes, some 0.4
}

// Population plans the population. What is larger than the rest admits is cut,
// so that small populations exist, too.
func (p Plan) Population() (*Population, error) {
	p, err := p.complete()
	if err != nil {
		return nil, err
	}
	population := &Population{plan: p}
	switch p.Workload {
	case IAM:
		population.shape = newIAM(p)
	case Docs:
		population.shape = newDocs(p)
	case Social:
		population.shape = newSocial(p)
	case Nested:
		population.shape = newNested(p)
	}
	return population, nil
}

// complete returns p with its defaults filled in.
func (p Plan) complete() (Plan, error) {
	if p.Workload == "" {
		p.Workload = IAM
	}
	if !slices.Contains(Workloads, p.Workload) {
		return p, fmt.Errorf("%q is no workload; they are %s", p.Workload, strings.Join(Workloads, ", "))
	}
	if p.Tuples < MinTuples {
		return p, fmt.Errorf("a population has at least %d tuples, not %d", MinTuples, p.Tuples)
	}
	if err := p.completeShape(); err != nil {
		return p, err
	}
	return p, p.validateParts()
}

func (p *Plan) validateParts() error {
	if p.Parts > 0 && p.Tuples/p.Parts < MinTuples {
		return fmt.Errorf("each part of a population (an organization, a company) has at least %d tuples, not %d", MinTuples, p.Tuples/p.Parts)
	}
	return nil
}

// completeShape fills in and checks the fields that not every workload has.
func (p *Plan) completeShape() error {
	for _, f := range []struct {
		name  string
		value *int
		most  int
		of    map[string]int // the default of each workload that has the field
	}{
		{"parts", &p.Parts, p.Tuples, map[string]int{IAM: max(1, p.Tuples/partTuples), Docs: max(1, p.Tuples/partTuples)}},
		{"depth", &p.Depth, 30, map[string]int{Docs: 4, Nested: 10}},
		{"width", &p.Width, 1000, map[string]int{Docs: 3, Nested: 2}},
		{"members", &p.Members, p.Tuples, map[string]int{Nested: 100_000}},
	} {
		standard, has := f.of[p.Workload]
		switch {
		case *f.value == 0:
			*f.value = standard
		case !has:
			return fmt.Errorf("the workload %s has no %s", p.Workload, f.name)
		case *f.value < 0 || *f.value > f.most:
			return fmt.Errorf("%s: %d is not between 1 and %d", f.name, *f.value, f.most)
		}
	}
	if err := p.completeRatio("skew", &p.Skew, 0.8, p.Workload == Social); err != nil {
		return err
	}
	return p.completeRatio("share of allowed questions", &p.Allowed, 0.3, p.Workload != IAM)
}

// completeRatio is for a field between 0 and 1.
func (p *Plan) completeRatio(name string, value *float64, standard float64, has bool) error {
	switch {
	case *value == 0 && has:
		*value = standard
	case *value == 0:
	case !has:
		return fmt.Errorf("the workload %s has no %s to choose", p.Workload, name)
	case !(*value > 0 && *value < 1):
		return fmt.Errorf("%s: %v is not between 0 and 1", name, *value)
	}
	return nil
}
