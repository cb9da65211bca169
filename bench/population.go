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

// orgTuples is how many tuples one organization of a large population has.
const orgTuples = 10_000

// Population is the cloud example at scale: a fixed number of tuples over
// organizations of equal size, the same for the same size and seed. It is
// immutable; tuples are generated anew on each pass and not kept.
type Population struct {
	size int
	seed uint64
	orgs []org
}

// NewPopulation plans a population of n tuples, at least MinTuples.
func NewPopulation(n int, seed uint64) (*Population, error) {
	if n < MinTuples {
		return nil, fmt.Errorf("a population has at least %d tuples, not %d", MinTuples, n)
	}
	p := &Population{size: n, seed: seed, orgs: make([]org, max(1, n/orgTuples))}
	left := n
	for i := range p.orgs {
		budget := left / (len(p.orgs) - i)
		left -= budget
		p.orgs[i] = planOrg(i, budget)
		p.orgs[i].instances = p.orgs[i].generate(seed, func(tuple.Tuple) bool { return true })
	}
	return p, nil
}

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
