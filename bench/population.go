// Package bench generates data and questions at scale, drives a server with
// them and measures it.
package bench

import (
	"iter"

	"github.com/pemba-authz/pemba/tuple"
)

// MinTuples is the smallest population, and the smallest part of one: below it
// there would be groups and bindings only, and no resources.
const MinTuples = 1000

// partTuples is how many tuples an organization or company of a large population
// has if nothing else is said.
const partTuples = 10_000

// Population is a fixed number of tuples with the questions to ask about them,
// the same for the same Plan. It is immutable; tuples are generated anew on each
// pass and not kept.
type Population struct {
	plan  Plan // complete
	shape shape
}

// shape is what the workloads differ in. It is immutable, and its methods may be
// called by several goroutines.
type shape interface {
	schema() (string, error)

	// tuples yields plan.Tuples tuples, their keys distinct, in a fixed order, until
	// yield has enough.
	tuples(yield func(tuple.Tuple) bool)

	// total is the number of questions, question the n-th of them, n < total.
	total() uint64
	question(n uint64) Question

	// listed is the number of ids that a list about q may hold, and the i-th of them.
	listed(q *Question, op Op) (n int, id func(i int) string)

	// facts returns a function for the tuples of an object of a part, in any order.
	// What it returns may be shared.
	facts(part int) func(tuple.Object) []tuple.Tuple

	// scratch makes a tuple of an object and a subject that nothing else names, so
	// that it changes no answer.
	scratch(object, subject string) tuple.Tuple
}

// NewPopulation plans a population of n tuples of the cloud example, at least
// MinTuples. It has as many organizations as are asked for; 0 = one for each
// 10,000 tuples. The fewer they are, the longer are lists.
func NewPopulation(n, organizations int, seed uint64) (*Population, error) {
	return Plan{Workload: IAM, Tuples: n, Parts: max(0, organizations), Seed: seed}.Population()
}

// Plan is what p was made by, with the defaults filled in.
func (p *Population) Plan() Plan { return p.plan }

// Size is the number of tuples.
func (p *Population) Size() int { return p.plan.Tuples }

// Organizations is their number, or that of companies; 0 for a workload that has none.
func (p *Population) Organizations() int { return p.plan.Parts }

// Tuples generates the tuples, all keys distinct, in a fixed order.
func (p *Population) Tuples() iter.Seq[tuple.Tuple] { return p.shape.tuples }

// Schema is what the tuples obey, in the schema language.
func (p *Population) Schema() (string, error) { return p.shape.schema() }

// Scratch makes a tuple for writers: of an object and a subject that the
// population does not have, ids that begin with "bench-" for example, so that it
// changes no answer.
func (p *Population) Scratch(object, subject string) tuple.Tuple {
	return p.shape.scratch(object, subject)
}
