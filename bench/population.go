// Package bench generates data and questions at scale, drives a server with
// them and measures it.
package bench

import (
	"errors"
	"fmt"
	"iter"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/pemba-authz/pemba/examples"
	"github.com/pemba-authz/pemba/tuple"
)

// MinTuples is the smallest population: below it, an organization would hold
// groups and bindings only, and no resources.
const MinTuples = 1000

// orgTuples is how many tuples one organization of a large population has if
// nothing else is said.
const orgTuples = 10_000

// Population is the cloud example at scale: a fixed number of tuples over
// organizations of equal size, the same for the same size and seed. It is
// immutable; tuples are generated anew on each pass and not kept.
type Population struct {
	size int
	seed uint64
	orgs []org
}

// NewPopulation plans a population of n tuples, at least MinTuples. It has as
// many organizations as are asked for; 0 = one for each 10,000 tuples. The fewer
// they are, the longer are lists.
func NewPopulation(n, organizations int, seed uint64) (*Population, error) {
	if organizations <= 0 {
		organizations = max(1, n/orgTuples)
	}
	if n/organizations < MinTuples {
		return nil, fmt.Errorf("each organization of a population has at least %d tuples, not %d", MinTuples, n/organizations)
	}
	p := &Population{size: n, seed: seed, orgs: make([]org, organizations)}
	left := n
	for i := range p.orgs {
		budget := left / (len(p.orgs) - i)
		left -= budget
		p.orgs[i] = planOrg(i, budget)
		p.orgs[i].instances = p.orgs[i].generate(seed, func(tuple.Tuple) bool { return true })
	}
	return p, nil
}

// Organizations is their number.
func (p *Population) Organizations() int { return len(p.orgs) }

// Tuples generates the tuples, all keys distinct, in a fixed order.
func (p *Population) Tuples() iter.Seq[tuple.Tuple] {
	return func(yield func(tuple.Tuple) bool) {
		for i := range p.orgs {
			stopped := false
			p.orgs[i].generate(p.seed, func(t tuple.Tuple) bool {
				stopped = !yield(t)
				return !stopped
			})
			if stopped {
				return
			}
		}
	}
}

// Schema is the schema of the cloud example, which every population obeys.
var Schema = sync.OnceValues(func() (string, error) {
	var file struct {
		Schema string `yaml:"schema"`
	}
	if err := yaml.Unmarshal([]byte(examples.Cloud), &file); err != nil {
		return "", fmt.Errorf("read the cloud example: %w", err)
	}
	if file.Schema == "" {
		return "", errors.New("read the cloud example: it has no schema")
	}
	return file.Schema, nil
})
